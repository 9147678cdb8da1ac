import { jobUuidOf } from "../../components/contract";
import type { AgentsNamespace } from "../agents-namespace";
import { isFinished } from "../judge";
import type { JobsWatch, SeenJob } from "../jobs-watch";
import type { Pod } from "../kubernetes/objects";
import { messageOf, type Log } from "../log";
import type { Metrics } from "../metrics";
import type { QueueRoute } from "../settings";
import { acquiringQueues } from "./acquiring-queues";
import { lookAgain } from "./look";

export interface OverdueOptions {
  api: Pick<AgentsNamespace, "readJob" | "podsOf" | "deletePod" | "deleteJob">;
  jobs: Pick<JobsWatch, "live">;
  queues: readonly QueueRoute[];
  metrics: Pick<Metrics, "returned">;
  log: Log;
  /** The Job of that uid is about to be deleted. */
  onEnding: (jobUid: string, why: string) => void;
  /** Between two looks; a fifth more or less each time. */
  intervalMs: number;
}

/**
 * Takes back Jobs whose pod has waited for a node for as long as it may. Were it to begin now, the Job's deadline could
 * cut the build short, and in the end would fail it for nothing but a full pool. At Buildkite the build is still
 * scheduled, so the reconcile loop makes its next Job, with all its time before it.
 *
 * Not for queues of agent mode `queue`: there a pod is capacity, and no build is hurt by its end.
 */
export class Overdue {
  readonly #options: OverdueOptions;
  /** Keys by label. */
  readonly #queues: ReadonlyMap<string, string>;
  /** Uids of Jobs whose pod has a node: that stays so. */
  #placed = new Set<string>();

  constructor(options: OverdueOptions) {
    this.#options = options;
    this.#queues = acquiringQueues(options.queues);
  }

  /** Looks again and again until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    await lookAgain({ what: "pods that wait for too long", intervalMs, log }, () => this.#look(signal), signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { jobs, log } = this.#options;
    const now = Date.now();
    const live = jobs.live();
    const uids = new Set(live.map(({ uid }) => uid));
    this.#placed = new Set([...this.#placed].filter((uid) => uids.has(uid)));
    for (const job of live) {
      if (this.#queues.has(job.queue) && job.waitsUntil !== undefined && job.waitsUntil < now) {
        try {
          await this.#takeBack(job, signal);
        } catch (error) {
          signal.throwIfAborted();
          log.warn("Job not taken back, will be tried again", { job: job.name, error: messageOf(error) });
        }
      }
    }
  }

  async #takeBack({ name, uid }: SeenJob, signal: AbortSignal): Promise<void> {
    const { api, metrics, log, onEnding } = this.#options;
    if (this.#placed.has(uid)) {
      return;
    }
    const job = await api.readJob(name, signal);
    if (job?.metadata.uid !== uid || job.metadata.deletionTimestamp !== undefined || isFinished(job)) {
      return;
    }
    const pods = await api.podsOf(name, signal);
    if (pods.some(hasNode)) {
      this.#placed.add(uid);
      return;
    }
    for (const { metadata: pod } of pods) {
      // As it was read, without a node: one that gets its node in this very moment is left alone.
      const { name: podName, uid: podUid, resourceVersion } = pod;
      if (!(await api.deletePod(podName, { uid: podUid, resourceVersion }, signal))) {
        return;
      }
    }
    onEnding(uid, "no_node");
    if (await api.deleteJob(name, uid, signal)) {
      metrics.returned.inc();
      log.info("Job deleted", {
        ...{ job: name, uuid: jobUuidOf(name), when: "no_node" },
        why: "its pod found no node in the time that it may wait; the build goes on waiting at Buildkite",
      });
    }
  }
}

function hasNode({ spec, status }: Pod): boolean {
  return (spec?.nodeName ?? "") !== "" || (status?.phase ?? "Pending") !== "Pending";
}
