import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findNeedles, type Needle } from "./leaks/needles";
import { type Recording, recordedBuilds, sampledStretch } from "./recording";
import { reportHtml, type RunReport } from "./report";
import { type End, type LabResults, type Measured, UNPROVEN } from "./results";

/**
 * Writes lab.json, and when there is something to draw lab.html and lab-run.json, which is what it was drawn from, into a
 * folder. A text that holds one of this run's secrets is not written; that is a failure of its own. What is not written is
 * removed: an earlier run's must not be taken for this one's.
 */
export async function writeResults(
  folder: string,
  measured: Measured | undefined,
  recording: Recording | undefined,
  end: End,
  needles: readonly Needle[],
): Promise<LabResults> {
  const results: LabResults = { ok: end.failures.length === 0, ...measured, ...end };
  const report = measured === undefined || recording === undefined ? undefined : reportOf(measured, recording, end);
  const texts = {
    "lab.json": `${JSON.stringify(results, null, 2)}\n`,
    "lab.html": report && reportHtml(report),
    "lab-run.json": report && `${JSON.stringify(report)}\n`,
  };
  await mkdir(folder, { recursive: true });
  const leaked: string[] = [];
  for (const [name, text] of Object.entries(texts)) {
    const found = text === undefined ? [] : findNeedles(Buffer.from(text), needles);
    leaked.push(...found.map((secret) => `${name} would have held a secret (${secret}) and was not written`));
    const file = join(folder, name);
    await (text === undefined || found.length > 0 ? rm(file, { force: true }) : writeFile(file, text));
  }
  return leaked.length === 0 ? results : { ...results, ok: false, failures: [...end.failures, ...leaked] };
}

function reportOf(measured: Measured, recording: Recording, end: End): RunReport {
  const { jobs, nodes, webhookMs, overlappingPods, wastedPods, builds, secretsFound, timeScale, parts, cost } =
    measured;
  const { recorder, cluster } = recording;
  const { to } = sampledStretch(recorder);
  return {
    title: "From a scheduled build to a finished Job and back to zero nodes",
    startedAt: end.phases[0]?.startedAt ?? 0,
    endedAt: Math.max(0, ...end.phases.map(({ startedAt, seconds }) => startedAt + seconds * 1000)),
    timeScale,
    samples: recorder.samples,
    phases: end.phases,
    marks: recorder.marks,
    maxima: recorder.maxima,
    buildRecords: recordedBuilds(recording),
    nodes: cluster.nodeRecords().filter(({ registeredAt }) => registeredAt <= to),
    cost,
    results: [
      { name: "builds scheduled", value: builds },
      { name: "ran exactly once", value: jobs.ranOnce, ok: jobs.ranOnce === builds },
      { name: "lost", value: jobs.lost, ok: jobs.lost === 0 },
      { name: "run twice", value: jobs.twice, ok: jobs.twice === 0 },
      { name: "builds with two pods at one time", value: overlappingPods, ok: overlappingPods === 0 },
      { name: "pods that were refused their job", value: wastedPods, ok: wastedPods === 0 },
      { name: "most nodes", value: `${nodes.peak} of ${nodes.max}`, ok: nodes.peak <= nodes.max },
      { name: "nodes at the end", value: nodes.end, ok: nodes.end === 0 },
      { name: "secrets found", value: secretsFound.length, ok: secretsFound.length === 0 },
      { name: "left behind", value: end.leftovers.length, ok: end.leftovers.length === 0 },
      { name: "webhook to Job, median", value: `${webhookMs.p50} ms` },
      { name: "webhook to Job, p99", value: `${webhookMs.p99} ms` },
      { name: "seconds in all", value: end.seconds },
    ],
    parts,
    unproven: UNPROVEN,
    failures: end.failures,
  };
}
