import type { QueueRoute } from "./settings";

/** What of a scheduled job decides where it goes. The list of scheduled jobs at Buildkite gives the same. */
export interface Routable {
  readonly agentQueryRules: readonly string[];
  readonly clusterId?: string;
}

/** Why a job is of no served queue: the first of cluster, queue and tags on which every queue failed. */
export type NotServed = "cluster" | "queue" | "tags";

interface Rule {
  readonly key: string;
  /** Empty or `*`: any value. */
  readonly value: string;
}

/**
 * Finds the served queue of a job. Nobody else checks: an agent that acquires a job by its id ignores tags.
 *
 * A queue takes a job when the job is of the queue's cluster (where the queue names one), when the job names this queue
 * (or names none, and the queue is the default), and when the queue's tags meet every rule. `*` and an empty value match
 * any value of a tag that is there; `*` alone, as webhooks carry it, asks for nothing.
 *
 * Where several queues would do (`queue=*`, or a queue that names no cluster beside one that does), the one that names
 * the job's cluster is first, then the default queue, then the order of the settings.
 */
export function routeOf(job: Routable, queues: readonly QueueRoute[]): QueueRoute | NotServed {
  const rules = job.agentQueryRules.map(readRule).filter((rule) => rule.key !== "*");
  const namesQueue = rules.some((rule) => rule.key === "queue");
  let reason: NotServed = "cluster";
  let best: QueueRoute | undefined;
  for (const queue of queues) {
    if (queue.clusterId !== undefined && queue.clusterId !== job.clusterId) {
      continue;
    }
    if (!(namesQueue ? rules.every((rule) => rule.key !== "queue" || meets(queue, rule)) : queue.default)) {
      reason = reason === "cluster" ? "queue" : reason;
      continue;
    }
    if (!rules.every((rule) => meets(queue, rule))) {
      reason = "tags";
      continue;
    }
    if (best === undefined || rank(queue) > rank(best)) {
      best = queue;
    }
  }
  return best ?? reason;
}

function rank(queue: QueueRoute): number {
  return (queue.clusterId === undefined ? 0 : 2) + (queue.default ? 1 : 0);
}

function readRule(text: string): Rule {
  const at = text.indexOf("=");
  return at < 0 ? { key: text.trim(), value: "" } : { key: text.slice(0, at).trim(), value: text.slice(at + 1).trim() };
}

function meets(queue: QueueRoute, rule: Rule): boolean {
  const prefix = `${rule.key}=`;
  return queue.tags.some(
    (tag) => tag.startsWith(prefix) && (rule.value === "" || rule.value === "*" || tag === prefix + rule.value),
  );
}
