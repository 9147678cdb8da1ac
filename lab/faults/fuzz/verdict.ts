/**
 * Whether a body, well signed, could rightly make a Job for a queue: a second opinion, written from the documented format
 * and not from the dispatcher's code. In doubt it says yes: then the fuzzer signs the body wrongly.
 */
export function mayAskForJob(body: Buffer, queue: string): boolean {
  let payload: unknown;
  try {
    payload = JSON.parse(body.toString("utf8"));
  } catch {
    return false;
  }
  const { event, job } = fieldsOf(payload);
  const { type, id, agent_query_rules: rules } = fieldsOf(job);
  const isJob = typeof id === "string" && /^\s*[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\s*$/i.test(id);
  if (event !== "job.scheduled" || type !== "script" || !isJob || !Array.isArray(rules)) {
    return false;
  }
  const ours = new Set([`queue=${queue}`, "queue=*", "queue=default"]);
  return rules.every((rule) => typeof rule === "string" && ours.has(rule.replaceAll(/\s/g, "").toLowerCase()));
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
