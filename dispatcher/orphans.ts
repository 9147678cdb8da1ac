import { setTimeout as sleep } from "node:timers/promises";
import { jobName, JOB_UUID, MANAGED_BY_LABEL, PROJECT } from "../components/contract";
import type { AgentsNamespace } from "./agents-namespace";
import type { JobsWatch } from "./jobs-watch";
import { messageOf, type Log } from "./log";
import type { Metrics } from "./metrics";
import { jobUidOf, type PodsWatch, type SeenPod } from "./pods-watch";

export interface OrphansOptions {
  api: AgentsNamespace;
  jobs: JobsWatch;
  pods: PodsWatch;
  metrics: Metrics;
  log: Log;
  /** Between two looks, in milliseconds. A pod is an orphan when two looks in a row say so. */
  intervalMs: number;
}

/**
 * Deletes pods of ours whose Job is gone. Kubernetes does so itself where a Job was deleted in the usual way; a Job
 * deleted with `--cascade=orphan`, or by a client that knows no better, leaves a build running that nobody counts.
 *
 * The watches only point at a pod; before it is deleted, it and its Job are read live.
 */
export class Orphans {
  readonly #options: OrphansOptions;
  #suspects = new Set<string>();

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** Looks again and again until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    try {
      for (;;) {
        await sleep(intervalMs * (0.8 + Math.random() * 0.4), undefined, { signal });
        await this.#look(signal);
      }
    } catch (error) {
      if (!signal.aborted) {
        log.error("the search for orphaned pods has ended", { error: messageOf(error) });
        throw error;
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { jobs, pods, log } = this.#options;
    const suspects = new Set<string>();
    for (const pod of jobs.synced && pods.synced ? pods.list() : []) {
      if (pod.deleting || jobs.get(jobName(pod.jobUuid))?.uid === pod.jobUid) {
        continue;
      }
      suspects.add(pod.uid);
      if (this.#suspects.has(pod.uid)) {
        try {
          await this.#deleteIfOrphan(pod, signal);
        } catch (error) {
          signal.throwIfAborted();
          log.warn("orphaned pod not deleted, will be tried again", { pod: pod.name, error: messageOf(error) });
        }
      }
    }
    this.#suspects = suspects;
  }

  async #deleteIfOrphan(suspect: SeenPod, signal: AbortSignal): Promise<void> {
    const { api, metrics, log } = this.#options;
    const live = await api.readPod(suspect.name, signal);
    if (live?.metadata.uid !== suspect.uid || live.metadata.labels?.[MANAGED_BY_LABEL] !== PROJECT) {
      return;
    }
    const { name, uid, labels, deletionTimestamp } = live.metadata;
    const uuid = labels[JOB_UUID] ?? "";
    if (deletionTimestamp !== undefined || uuid === "") {
      return;
    }
    const job = await api.readJob(jobName(uuid), signal);
    if (job !== undefined && job.metadata.uid === jobUidOf(live)) {
      return;
    }
    if (await api.deletePod(name, { uid }, signal)) {
      metrics.orphans.inc();
      log.warn("orphaned pod deleted", { pod: name, uuid, why: "the Job that made it is gone" });
    }
  }
}
