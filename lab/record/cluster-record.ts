/**
 * Writes down when a watch heard of each Job, build pod and node: for the pictures, on the terminal and in the report. It
 * changes nothing, and judges nothing: that is the overlap watch's.
 *
 * Does not prove: when exactly something happened; a watch hears of it a few milliseconds later.
 */
import { JOB_UUID } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { type ChangeKind, Informer } from "../../dispatcher/kubernetes/informer";
import { nodeState, type NodeObject } from "../autoscaler/node";
import { podState, type PodObject } from "../autoscaler/pod";
import type { NodeRecord } from "../report";

/** When a build's Job and its latest pod were seen; epoch milliseconds. Nothing of an earlier pod is in it. */
export interface BuildTimes {
  jobAt?: number;
  boundAt?: number;
  podAt?: number;
  endedAt?: number;
  node?: string;
}

/** A node as it is now. */
export interface NodeNow {
  readonly name: string;
  readonly ready: boolean;
  /** Build pods on it that have not ended. */
  readonly builds: number;
  /** The part of its allocatable CPU that they request, 0 to 1. */
  readonly used: number;
}

interface SeenPod {
  readonly uid: string;
  readonly job: string;
  readonly node: string | undefined;
  readonly running: boolean;
  readonly ended: boolean;
  readonly cpu: number;
}

interface SeenNode {
  readonly name: string;
  readonly ready: boolean;
  readonly cpu: number;
}

/** See the top of this file. */
export class ClusterRecord {
  private readonly builds = new Map<string, BuildTimes>();
  /** Uid of each build's latest pod: what is heard of an earlier one is not about these times. */
  private readonly latestPods = new Map<string, string>();
  private readonly nodes = new Map<string, { -readonly [Key in keyof NodeRecord]: NodeRecord[Key] }>();
  private readonly stopping = new AbortController();
  private readonly jobInformer: Informer<string, PodObject>;
  private readonly podInformer: Informer<SeenPod, PodObject>;
  private readonly nodeInformer: Informer<SeenNode, NodeObject>;

  /** @param poolSelector label selector of the pool's nodes. */
  constructor({ client, poolSelector }: { readonly client: KubernetesClient; readonly poolSelector: string }) {
    const query = { labelSelector: JOB_UUID };
    this.jobInformer = new Informer<string, PodObject>({
      ...{ client, path: "/apis/batch/v1/jobs", query },
      keep: ({ metadata }) => metadata.labels?.[JOB_UUID] ?? "",
      onChange: (_kind, job) => {
        this.timesOf(job).jobAt ??= Date.now();
      },
    });
    this.podInformer = new Informer<SeenPod, PodObject>({
      ...{ client, path: "/api/v1/pods", query },
      keep: seenPod,
      onChange: (kind, pod) => {
        this.onPod(kind, pod);
      },
    });
    this.nodeInformer = new Informer<SeenNode, NodeObject>({
      ...{ client, path: "/api/v1/nodes", query: { labelSelector: poolSelector } },
      keep: seenNode,
      onChange: (kind, node) => {
        this.onNode(kind, node);
      },
    });
  }

  /** Resolves once what there is was read. */
  async start(): Promise<void> {
    const { signal } = this.stopping;
    await Promise.all([
      this.jobInformer.start(signal),
      this.podInformer.start(signal),
      this.nodeInformer.start(signal),
    ]);
  }

  /** Ends the watches; what was written down stays. */
  stop(): void {
    this.stopping.abort();
  }

  /** What was seen of a Buildkite job; empty when nothing was. */
  build(uuid: string): Readonly<BuildTimes> {
    return this.builds.get(uuid) ?? {};
  }

  /** Every node of the pool there has been. */
  nodeRecords(): NodeRecord[] {
    return [...this.nodes.values()];
  }

  /** The pool's nodes now, oldest first. */
  nodesNow(): NodeNow[] {
    const pods = this.podInformer.list().filter(({ ended }) => !ended);
    return this.nodeInformer
      .list()
      .map(({ name, ready, cpu }) => {
        const here = pods.filter(({ node }) => node === name);
        const requested = here.reduce((sum, pod) => sum + pod.cpu, 0);
        return { name, ready, builds: here.length, used: cpu > 0 ? Math.min(1, requested / cpu) : 0 };
      })
      .sort((a, b) => this.registered(a.name) - this.registered(b.name));
  }

  private registered(name: string): number {
    return this.nodes.get(name)?.registeredAt ?? 0;
  }

  private timesOf(job: string): BuildTimes {
    const times = this.builds.get(job) ?? {};
    this.builds.set(job, times);
    return times;
  }

  private onPod(kind: ChangeKind, { uid, job, node, running, ended }: SeenPod): void {
    if (kind === "added") {
      this.latestPods.set(job, uid);
      this.builds.set(job, { jobAt: this.timesOf(job).jobAt });
    } else if (this.latestPods.get(job) !== uid) {
      return;
    }
    const times = this.timesOf(job);
    const now = Date.now();
    if (node !== undefined && times.node !== node) {
      times.node = node;
      times.boundAt = now;
    }
    if (running || ended) {
      times.podAt ??= now;
    }
    if (ended || kind === "deleted") {
      times.endedAt ??= now;
    }
  }

  private onNode(kind: ChangeKind, { name, ready }: SeenNode): void {
    const now = Date.now();
    const record = this.nodes.get(name) ?? { name, registeredAt: now };
    this.nodes.set(name, record);
    if (ready) {
      record.readyAt ??= now;
    }
    if (kind === "deleted") {
      record.goneAt = now;
    }
  }
}

function seenPod(pod: PodObject): SeenPod {
  const { uid, labels, nodeName, terminal, requests } = podState(pod);
  return {
    uid,
    job: labels[JOB_UUID] ?? "",
    node: nodeName,
    running: pod.status?.phase === "Running",
    ended: terminal,
    cpu: requests.cpu,
  };
}

function seenNode(node: NodeObject): SeenNode {
  const { name, ready, allocatable } = nodeState(node);
  return { name, ready, cpu: allocatable.cpu };
}
