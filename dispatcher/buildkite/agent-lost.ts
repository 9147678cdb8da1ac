import { AGENT_CONTAINER, jobUuidOf } from "../../components/contract";
import type { AgentsNamespace } from "../agents-namespace";
import { isFinished } from "../judge";
import type { JobsWatch, SeenJob } from "../jobs-watch";
import type { Pod } from "../kubernetes/objects";
import { messageOf, type Log } from "../log";
import type { Metrics } from "../metrics";
import type { QueueRoute } from "../settings";
import { acquiringQueues } from "./acquiring-queues";
import { standingOf } from "./job-state";
import type { Report } from "./report";

export interface AgentLostOptions {
  api: Pick<AgentsNamespace, "readJob" | "podsOf">;
  jobs: Pick<JobsWatch, "finished">;
  report: Pick<Report, "agentLost">;
  queues: readonly QueueRoute[];
  metrics: Pick<Metrics, "givenUp">;
  log: Log;
  /** How long after the Job's end the agent's own word may still be on its way. */
  afterMs: number;
}

/**
 * Finished Jobs whose build runs on at Buildkite: its agent died without a word, with its node or by the kernel's hand.
 * Buildkite finds out by itself when it misses the agent, but not why.
 *
 * Only where Kubernetes says that the agent did not end by itself: one that was refused the job, because another agent has
 * it, ends by itself, and that other agent's build must not be touched.
 */
export class AgentLost {
  readonly #options: AgentLostOptions;
  /** Keys by label. */
  readonly #queues: ReadonlyMap<string, string>;
  /** By the Job's uid: since when it is seen finished, by `performance.now()`; `undefined`: nothing to do about it. */
  #seen = new Map<string, number | undefined>();
  /** Uids of live Jobs whose build an agent was seen to have. */
  #taken = new Set<string>();

  constructor(options: AgentLostOptions) {
    this.#options = options;
    this.#queues = acquiringQueues(options.queues);
  }

  /** The Jobs whose build's state is to be asked for. */
  suspects(): SeenJob[] {
    const now = performance.now();
    const finished = this.#options.jobs.finished().filter(({ queue }) => this.#queues.has(queue));
    this.#seen = new Map(finished.map(({ uid }) => [uid, this.#seen.has(uid) ? this.#seen.get(uid) : now]));
    return finished.filter(({ uid }) => {
      const since = this.#seen.get(uid);
      return since !== undefined && now - since >= this.#options.afterMs;
    });
  }

  /** An agent has the build of that live Job. @returns whether that is news. */
  taken(jobUid: string): boolean {
    const isNew = !this.#taken.has(jobUid);
    this.#taken.add(jobUid);
    return isNew;
  }

  /** Only of these Jobs it is remembered that an agent had their build. */
  keep(live: readonly SeenJob[]): void {
    const known = new Set([...live.map(({ uid }) => uid), ...this.#seen.keys()]);
    this.#taken = new Set([...this.#taken].filter((uid) => known.has(uid)));
  }

  /** @param state at Buildkite; `undefined` where it does not know the job. */
  async judge(job: SeenJob, state: string | undefined, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    if (standingOf(state) !== "with-agent") {
      this.#seen.set(job.uid, undefined);
      return;
    }
    try {
      if (await this.#settle(job, signal)) {
        this.#seen.set(job.uid, undefined);
      }
    } catch (error) {
      signal.throwIfAborted();
      log.warn("end of a lost agent not told, will be tried again", { job: job.name, error: messageOf(error) });
    }
  }

  /** Returns whether there is nothing more to do. */
  async #settle({ name, uid, queue }: SeenJob, signal: AbortSignal): Promise<boolean> {
    const { api, report, metrics, log } = this.#options;
    const job = await api.readJob(name, signal);
    if (job?.metadata.uid !== uid || !isFinished(job)) {
      return true;
    }
    const pods = (await api.podsOf(name, signal)).filter(({ metadata }) =>
      (metadata.ownerReferences ?? []).some((owner) => owner.uid === uid),
    );
    if (pods.some(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed")) {
      return false;
    }
    const [pod] = pods;
    const how = pod === undefined ? (this.#taken.has(uid) ? "its pod is gone" : undefined) : agentsDeath(pod);
    if (how === undefined) {
      return true;
    }
    const uuid = jobUuidOf(name);
    const cause = `The build's agent was lost: ${how}`;
    const reported = await report.agentLost(uuid, cause);
    if (reported === "unsaid") {
      return false;
    }
    metrics.givenUp.inc({ queue: this.#queues.get(queue) ?? "", cause: "agent_lost", reported });
    log.error("agent lost", { uuid, job: name, why: cause, reported });
    return true;
  }
}

/** How the agent of an ended pod died; `undefined` where it ended by itself, or never started. */
export function agentsDeath({ spec, status }: Pod): string | undefined {
  const agent = (status?.containerStatuses ?? []).find(({ name }) => name === AGENT_CONTAINER)?.state;
  const { exitCode, reason, startedAt } = agent?.terminated ?? {};
  const disruption = (status?.conditions ?? []).find((one) => one.type === "DisruptionTarget" && one.status === "True");
  const on = spec?.nodeName === undefined ? "" : ` on node ${spec.nodeName}`;
  // A container that could not be started has ended, too, with a start in 1970.
  if (agent?.running === undefined && !(Date.parse(startedAt ?? "") > 0)) {
    return undefined;
  }
  const ofPod = disruption ?? (status?.reason === undefined ? undefined : status);
  if (ofPod !== undefined) {
    const message = ofPod.message ?? "";
    return `its pod ended${on} (${ofPod.reason ?? "disrupted"})${message === "" ? "" : `: ${message.slice(0, 500)}`}`;
  }
  if (reason === "OOMKilled") {
    return `it ran out of memory${on} (OOMKilled): the container's memory limit is too low for it`;
  }
  // From 128 on it is a signal: nothing an agent ends with by itself.
  return exitCode !== undefined && exitCode >= 128 ? `it was killed${on} (exit code ${exitCode})` : undefined;
}
