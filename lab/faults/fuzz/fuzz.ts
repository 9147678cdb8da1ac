import { SeededRandom } from "../../buildkite";
import { notServed } from "../failed-webhooks";
import { QUEUE, type FaultSystem } from "../system";
import { genuineBody } from "./genuine-body";
import { mutateBody } from "./mutate-body";
import { mutateRequest, type FuzzedRequest } from "./mutate-request";
import { FuzzConnections } from "./send";
import { mayAskForJob } from "./verdict";

/** 300 builds make 100,000 bodies. */
const BODIES_PER_BUILD = 1_000 / 3;
const AT_ONCE = 16;
/** A Job that must not come is given so long to come. */
const SETTLE_SECONDS = 3;

/** One case, the same for equal seeds and numbers but for the time it is signed for. */
export function fuzzCase(seed: number, number: number, secret: string): FuzzedRequest & { readonly id: string } {
  // Not neighbours: those of one seed would be those of the next, moved by one.
  const random = new SeededRandom(Math.imul(seed, 0x9e3779b1) + number);
  const tree = genuineBody(QUEUE, random);
  const { id } = tree["job"] as { id: string };
  const { body, how } = mutateBody(tree, random);
  const request = mutateRequest(body, secret, !mayAskForJob(body, QUEUE), random);
  return { ...request, id, how: `${how}; ${request.how}` };
}

/**
 * Sends mutated webhooks to both replicas, real builds between them. Nothing may crash, be answered 5xx, or become a Job
 * that is not a genuine webhook's.
 */
export async function fuzz(system: FaultSystem, builds: number): Promise<undefined> {
  const { fake, replicas, complaints, notes, options, webhookSecret, jobsSeen, signal } = system;
  const { seed } = options;
  const bodies = Math.round(builds * BODIES_PER_BUILD);
  const connections = new FuzzConnections();
  const statuses = new Map<string, number>();
  const numbers = new Map<string, number>();
  let next = 0;
  let scheduled = 0;
  const complain = (number: number, { how }: FuzzedRequest, what: string): void => {
    complaints.push(`case ${number} of seed ${seed} (${how.slice(0, 200)}) ${what}`);
  };
  const worker = async (): Promise<void> => {
    for (let number = next++; number < bodies; number = next++) {
      signal.throwIfAborted();
      if (number >= (scheduled * bodies) / builds) {
        scheduled += 1;
        await system.schedule(1, 0);
      }
      const fuzzed = fuzzCase(seed, number, webhookSecret);
      numbers.set(fuzzed.id, number);
      const urls = replicas.urls();
      const result = await connections.send(urls[number % urls.length] ?? "", fuzzed);
      const status = typeof result === "number" ? String(result) : "none";
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      const fault = faultOf(result, fuzzed);
      if (fault !== undefined) {
        complain(number, fuzzed, fault);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    connections.close();
  }
  await fake.settled();
  await system.wait(SETTLE_SECONDS);
  const known = new Set(fake.jobs().map(({ id }) => id));
  for (const id of jobsSeen.latestAt.keys()) {
    if (!known.has(id)) {
      complaints.unshift(`a Job was made for ${id}, of case ${numbers.get(id) ?? "unknown"} of seed ${seed}`);
    }
  }
  complaints.push(...notServed(fake));
  const answers = [...statuses].sort().map(([status, count]) => `${status}: ${count}`);
  notes.push(`${bodies} bodies of seed ${seed}, answered ${answers.join(", ")}`);
  return undefined;
}

/** What of the answer is wrong; `undefined` for nothing. */
export function faultOf(
  result: number | string,
  fuzzed: Pick<FuzzedRequest, "isSigned" | "mayGoUnanswered">,
): string | undefined {
  if (typeof result === "string") {
    return fuzzed.mayGoUnanswered ? undefined : `got no answer: ${result}`;
  }
  if (result >= 500) {
    return `was answered ${result}`;
  }
  // 204: heard, and nothing to do.
  return result >= 400 || (result === 204 && fuzzed.isSigned) ? undefined : `was taken, with ${result}`;
}
