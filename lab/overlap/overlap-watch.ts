/**
 * An observer of its own: it counts what must never happen from what the API server tells any watcher, not from what the
 * parts of the lab say about themselves. It changes nothing.
 *
 * Does not prove: anything about the moments between two states that the API server never saw; a watch that had to be
 * started again sees only what is left (its restarts are counted).
 */
import { JOB_UUID } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";

/** How to make an {@link OverlapWatch}. */
export interface OverlapWatchOptions {
  readonly client: KubernetesClient;
  /** Label selector of the pool's nodes, e.g. `buildkite-scale-to-zero/pool=agents`. */
  readonly poolSelector: string;
  /** Watches this namespace alone; default all of them. */
  readonly namespace?: string;
  /** How long after its Job's end a pod may go without having been told to end; default 5,000 ms. */
  readonly graceMs?: number;
  /** Hears every change in the number of nodes, pods or Jobs. */
  readonly onCount?: (counts: Counts) => void;
}

/** How many there are now. */
export interface Counts {
  /** Nodes of the pool. */
  readonly nodes: number;
  /** Build pods without a node. */
  readonly pendingPods: number;
  /** Build pods on a node that have not ended. */
  readonly activePods: number;
  /** Jobs, finished ones included. */
  readonly jobs: number;
}

interface BuildPod {
  readonly uid: string;
  readonly name: string;
  readonly job: string;
  readonly jobUid: string | undefined;
  readonly ended: boolean;
  readonly onNode: boolean;
  readonly deleting: boolean;
}

interface BuildJob {
  readonly uid: string;
  readonly name: string;
}

interface Watched {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: { readonly phase?: string };
}

/** See the top of this file. */
export class OverlapWatch {
  /** Buildkite jobs that had two pods that had not ended at one time; each with the pods' names. */
  readonly overlapping = new Map<string, readonly string[]>();
  /** Pods that were still there, and not told to end, some time after their Job had gone. */
  readonly outliving: string[] = [];
  /** Pods there have been per Buildkite job. */
  readonly podsPerJob = new Map<string, number>();
  /** Most nodes of the pool at one time. */
  peakNodes = 0;
  /** Watches that had to be started again: moments that were not seen. */
  gaps = 0;
  private readonly stopping = new AbortController();
  private readonly alive = new Map<string, Map<string, string>>();
  private readonly checks = new Set<NodeJS.Timeout>();
  private readonly pods: Informer<BuildPod, Watched>;
  private readonly jobs: Informer<BuildJob, Watched>;
  private readonly nodes: Informer<string, Watched>;

  constructor(private readonly options: OverlapWatchOptions) {
    const { client, poolSelector, namespace } = options;
    const within = namespace === undefined ? "" : `/namespaces/${namespace}`;
    const onError = (): void => {
      this.gaps += 1;
    };
    const query = { labelSelector: JOB_UUID };
    this.pods = new Informer({
      ...{ client, path: `/api/v1${within}/pods`, query, keep: buildPod, onError },
      onChange: (change, pod, previous) => {
        this.onPod(change, pod, previous === undefined);
      },
    });
    this.jobs = new Informer({
      ...{ client, path: `/apis/batch/v1${within}/jobs`, query, onError },
      keep: ({ metadata }: Watched) => ({ uid: metadata.uid, name: metadata.name }),
      onChange: (change, job) => {
        if (change === "deleted") {
          this.checkLater(job);
        }
        this.tell();
      },
    });
    this.nodes = new Informer({
      ...{ client, path: "/api/v1/nodes", query: { labelSelector: poolSelector }, onError },
      keep: ({ metadata }: Watched) => metadata.name,
      onChange: () => {
        this.peakNodes = Math.max(this.peakNodes, this.nodes.list().length);
        this.tell();
      },
    });
  }

  /** Resolves once what there is was read. */
  async start(): Promise<void> {
    await Promise.all([this.pods, this.jobs, this.nodes].map((informer) => informer.start(this.stopping.signal)));
  }

  /** Ends the watches; what was counted stays. */
  stop(): Promise<void> {
    this.stopping.abort();
    this.checks.forEach(clearTimeout);
    return Promise.resolve();
  }

  /** How many there are now. */
  counts(): Counts {
    const pods = this.pods.list().filter(({ ended }) => !ended);
    const active = pods.filter(({ onNode }) => onNode).length;
    return {
      nodes: this.nodes.list().length,
      pendingPods: pods.length - active,
      activePods: active,
      jobs: this.jobs.list().length,
    };
  }

  private onPod(change: string, pod: BuildPod, isNew: boolean): void {
    if (isNew && change === "added") {
      this.podsPerJob.set(pod.job, (this.podsPerJob.get(pod.job) ?? 0) + 1);
    }
    const alive = this.alive.get(pod.job) ?? new Map<string, string>();
    if (change === "deleted" || pod.ended) {
      alive.delete(pod.uid);
    } else {
      alive.set(pod.uid, pod.name);
    }
    if (alive.size === 0) {
      this.alive.delete(pod.job);
    } else {
      this.alive.set(pod.job, alive);
    }
    if (alive.size > 1) {
      this.overlapping.set(pod.job, [...alive.values()]);
    }
    this.tell();
  }

  private checkLater(job: BuildJob): void {
    const timer = setTimeout(() => {
      this.checks.delete(timer);
      for (const pod of this.pods.list()) {
        // By the label: a pod that was orphaned has lost its owner reference.
        if (pod.jobUid === job.uid && !pod.deleting) {
          this.outliving.push(`${pod.name} (of ${job.name})`);
        }
      }
    }, this.options.graceMs ?? 5_000);
    this.checks.add(timer);
  }

  private tell(): void {
    this.options.onCount?.(this.counts());
  }
}

function buildPod({ metadata, spec, status }: Watched): BuildPod {
  return {
    uid: metadata.uid,
    name: `${metadata.namespace ?? ""}/${metadata.name}`,
    job: metadata.labels?.[JOB_UUID] ?? "",
    jobUid: metadata.labels?.["batch.kubernetes.io/controller-uid"],
    ended: status?.phase === "Succeeded" || status?.phase === "Failed",
    onNode: spec?.nodeName !== undefined,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}
