import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";
import type { ObjectMeta } from "../../dispatcher/kubernetes/objects";
import type { JobObservation, PodObservation } from "./observation";

interface WatchedPod {
  metadata: ObjectMeta;
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

interface ContainerStatus {
  name: string;
  restartCount?: number;
  state?: { waiting?: { reason?: string } };
}

interface WatchedJob {
  metadata: ObjectMeta;
  status?: { conditions?: { type: string; status: string; reason?: string }[] | null };
}

/**
 * Keeps what the API server says of the Jobs and pods of a namespace, with the moment at which it was heard. A moment
 * between two states that no watcher is told cannot be seen; what is gone is kept.
 */
export class PodWatch {
  private readonly pods = new Map<string, PodObservation>();
  private readonly jobs = new Map<string, JobObservation>();
  private readonly listeners = new Set<() => void>();
  private readonly podInformer: Informer<WatchedPod, WatchedPod>;
  private readonly jobInformer: Informer<WatchedJob, WatchedJob>;

  constructor(client: KubernetesClient, namespace: string) {
    this.podInformer = new Informer<WatchedPod, WatchedPod>({
      client,
      path: `/api/v1/namespaces/${namespace}/pods`,
      keep: (pod) => pod,
      onChange: (kind, pod) => {
        this.seePod(pod, kind === "deleted");
      },
    });
    this.jobInformer = new Informer<WatchedJob, WatchedJob>({
      client,
      path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
      keep: (job) => job,
      onChange: (kind, job) => {
        this.seeJob(job, kind === "deleted");
      },
    });
  }

  /** Resolves once both collections were read. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.podInformer.start(signal), this.jobInformer.start(signal)]);
  }

  stop(): void {
    this.podInformer.stop();
    this.jobInformer.stop();
  }

  /** The pod of a Job, the latest one; undefined before there is one. */
  podOf(jobName: string): PodObservation | undefined {
    return this.pods.get(jobName);
  }

  jobOf(jobName: string): JobObservation | undefined {
    return this.jobs.get(jobName);
  }

  /** Hears that something changed; returns how to stop hearing. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private seePod({ metadata, status }: WatchedPod, gone: boolean): void {
    const key = metadata.labels?.["batch.kubernetes.io/job-name"] ?? metadata.name;
    const now = Date.now();
    const known = this.pods.get(key);
    const previous = known?.uid === metadata.uid ? known : undefined;
    const phase = status?.phase ?? previous?.phase ?? "Pending";
    const terminal = phase === "Succeeded" || phase === "Failed";
    const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    const waiting = statuses.flatMap(({ state }) => state?.waiting?.reason ?? []);
    this.pods.set(key, {
      name: metadata.name,
      uid: metadata.uid,
      phase,
      reason: status?.reason ?? previous?.reason,
      message: status?.message ?? previous?.message,
      terminalAt: previous?.terminalAt ?? (terminal ? now : undefined),
      deletionAt: previous?.deletionAt ?? (metadata.deletionTimestamp === undefined ? undefined : now),
      goneAt: gone ? now : undefined,
      waitingReasons: [...new Set([...(previous?.waitingReasons ?? []), ...waiting])],
    });
    this.tell();
  }

  private seeJob({ metadata, status }: WatchedJob, gone: boolean): void {
    const now = Date.now();
    const previous = this.jobs.get(metadata.name);
    const condition = status?.conditions?.find(
      ({ type, status: is }) => is === "True" && (type === "Complete" || type === "Failed"),
    );
    const result =
      previous?.result ?? (condition === undefined ? undefined : (condition.type as "Complete" | "Failed"));
    this.jobs.set(metadata.name, {
      uid: metadata.uid,
      result,
      reason: previous?.reason ?? condition?.reason,
      terminalAt: previous?.terminalAt ?? (result === undefined ? undefined : now),
      goneAt: gone ? now : undefined,
    });
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) {
      listener();
    }
  }
}
