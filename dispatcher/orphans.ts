import { setTimeout as sleep } from "node:timers/promises";
import { jobName, JOB_UUID, MANAGED_BY_LABEL, PROJECT } from "../components/contract";
import { OURS, type AgentsNamespace } from "./agents-namespace";
import type { JobsWatch } from "./jobs-watch";
import type { KubernetesClient } from "./kubernetes/client";
import { Informer } from "./kubernetes/informer";
import type { MetadataOnly } from "./kubernetes/objects";
import { messageOf, type Log } from "./log";
import type { Metrics } from "./metrics";
import type { PodsByJob } from "./pods-by-job";

/** Set by the Job controller on every pod it makes; it stays when the owner reference is taken away. */
const CONTROLLER_UID_LABEL = "batch.kubernetes.io/controller-uid";

/** What memory holds of a pod. */
interface SeenPod {
  readonly name: string;
  readonly uid: string;
  readonly jobUuid: string;
  /** Of the Job that made it. */
  readonly jobUid: string | undefined;
  readonly deleting: boolean;
}

export interface OrphansOptions {
  client: KubernetesClient;
  api: AgentsNamespace;
  jobs: JobsWatch;
  metrics: Metrics;
  log: Log;
  /** Between two looks, in milliseconds. A pod is an orphan when two looks in a row say so. */
  intervalMs: number;
  /** Hears what the watch of pods tells. */
  onChange: PodsByJob["onChange"];
  onError: (error: unknown) => void;
}

/**
 * Deletes pods of ours whose Job is gone. Kubernetes does so itself where a Job was deleted in the usual way; a Job
 * deleted with `--cascade=orphan`, or by a client that knows no better, leaves a build running that nobody counts.
 *
 * The watches only point at a pod; before it is deleted, it and its Job are read live.
 */
export class Orphans {
  readonly #options: OrphansOptions;
  readonly #informer: Informer<SeenPod, MetadataOnly>;
  #suspects = new Set<string>();

  constructor(options: OrphansOptions) {
    this.#options = options;
    this.#informer = new Informer({
      client: options.client,
      path: options.api.podsPath,
      query: OURS,
      metadataOnly: true,
      keep: seen,
      onChange: options.onChange,
      onError: options.onError,
    });
  }

  get lastContact(): number {
    return this.#informer.lastContact;
  }

  /** Looks again and again until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    try {
      await this.#informer.start(signal);
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
    const { jobs, log } = this.#options;
    const suspects = new Set<string>();
    for (const pod of jobs.synced ? this.#informer.list() : []) {
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
    const pod = seen(live);
    if (pod.deleting || pod.jobUuid === "") {
      return;
    }
    const job = await api.readJob(jobName(pod.jobUuid), signal);
    if (job !== undefined && job.metadata.uid === pod.jobUid) {
      return;
    }
    if (await api.deletePod(pod.name, pod.uid, signal)) {
      metrics.orphans.inc();
      log.warn("orphaned pod deleted", { pod: pod.name, uuid: pod.jobUuid, why: "the Job that made it is gone" });
    }
  }
}

function seen({ metadata }: MetadataOnly): SeenPod {
  const owner = (metadata.ownerReferences ?? []).find(({ kind, controller }) => kind === "Job" && controller === true);
  return {
    name: metadata.name,
    uid: metadata.uid,
    jobUuid: metadata.labels?.[JOB_UUID] ?? "",
    jobUid: owner?.uid ?? metadata.labels?.[CONTROLLER_UID_LABEL],
    deleting: metadata.deletionTimestamp !== undefined,
  };
}
