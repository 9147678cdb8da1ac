import { AGENT_CONTAINER, JOB_UUID, QUEUE_LABEL } from "../components/contract";
import { labelValue } from "../components/stamp";
import { OURS, type AgentsNamespace } from "./agents-namespace";
import type { KubernetesClient } from "./kubernetes/client";
import { Informer, type InformerFailure } from "./kubernetes/informer";
import type { MetadataOnly, Pod } from "./kubernetes/objects";

/** Set by the Job controller on every pod it makes; it stays when the owner reference is taken away. */
const CONTROLLER_UID_LABEL = "batch.kubernetes.io/controller-uid";

/** What memory holds of a pod; times are milliseconds since 1970. */
export interface SeenPod {
  readonly name: string;
  readonly uid: string;
  readonly jobUuid: string;
  /** Of the Job that made it. */
  readonly jobUid: string | undefined;
  /** The label's value. */
  readonly queue: string;
  readonly deleting: boolean;
  readonly createdAt: number | undefined;
  readonly node: string | undefined;
  /** When it got its node. */
  readonly boundAt: number | undefined;
  /** Of the agent's container. */
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  /** Whether it waits for a node. */
  readonly pending: boolean;
}

export interface PodsWatchOptions {
  client: KubernetesClient;
  api: AgentsNamespace;
  /** Keys of the served queues. */
  queues: readonly string[];
  onChange?: (pod: SeenPod) => void;
  onError: (error: unknown) => void;
}

/** Our pods as the watch last saw them: for counting and telling, never for a decision. */
export class PodsWatch {
  readonly #informer: Informer<SeenPod, Pod>;
  readonly #keys: ReadonlyMap<string, string>;
  /** One string for each node, however many pods it has. */
  readonly #nodes = new Map<string, string>();

  constructor(options: PodsWatchOptions) {
    this.#keys = new Map(options.queues.map((key) => [labelValue(key), key]));
    this.#informer = new Informer({
      client: options.client,
      path: options.api.podsPath,
      query: OURS,
      keep: (pod) => this.#keep(pod),
      // Whole pods are several times as large as what the other informers read.
      pageSize: 200,
      onChange: (_, pod) => options.onChange?.(pod),
      onError: options.onError,
    });
  }

  get synced(): boolean {
    return this.#informer.synced;
  }

  get lastContact(): number {
    return this.#informer.lastContact;
  }

  get failure(): InformerFailure | undefined {
    return this.#informer.failure;
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#informer.start(signal);
  }

  list(): SeenPod[] {
    return this.#informer.list();
  }

  /** Pods without a node, oldest first. */
  pending(): SeenPod[] {
    const pending = this.#informer.list().filter((pod) => pod.pending);
    return pending.sort((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0));
  }

  /** By queue key; a queue without such pods has zeros. */
  pendingByQueue(nowMs = Date.now()): Map<string, { count: number; oldestSeconds: number }> {
    const found = new Map(Array.from(this.#keys.values(), (key) => [key, { count: 0, oldestSeconds: 0 }]));
    for (const { queue, createdAt = nowMs, pending } of this.#informer.list()) {
      if (pending) {
        const key = this.#keys.get(queue) ?? "other";
        const { count, oldestSeconds } = found.get(key) ?? { count: 0, oldestSeconds: 0 };
        found.set(key, { count: count + 1, oldestSeconds: Math.max(oldestSeconds, (nowMs - createdAt) / 1000) });
      }
    }
    return found;
  }

  #keep({ metadata, spec, status }: Pod): SeenPod {
    const { name, uid, labels = {}, deletionTimestamp } = metadata;
    const agent = (status?.containerStatuses ?? []).find((container) => container.name === AGENT_CONTAINER)?.state;
    const scheduled = (status?.conditions ?? []).find(({ type }) => type === "PodScheduled");
    const node = spec?.nodeName === "" ? undefined : spec?.nodeName;
    const deleting = deletionTimestamp !== undefined;
    return {
      ...{ name, uid, jobUuid: labels[JOB_UUID] ?? "", jobUid: jobUidOf({ metadata }), deleting },
      queue: labels[QUEUE_LABEL] ?? "",
      createdAt: readMilliseconds(metadata.creationTimestamp),
      node: node && this.#shared(node),
      boundAt: scheduled?.status === "True" ? readMilliseconds(scheduled.lastTransitionTime) : undefined,
      startedAt: readMilliseconds(agent?.running?.startedAt ?? agent?.terminated?.startedAt),
      finishedAt: readMilliseconds(agent?.terminated?.finishedAt),
      pending: node === undefined && !deleting && (status?.phase ?? "Pending") === "Pending",
    };
  }

  #shared(node: string): string {
    if (this.#nodes.size > 10_000) {
      this.#nodes.clear();
    }
    const known = this.#nodes.get(node);
    if (known === undefined) {
      this.#nodes.set(node, node);
    }
    return known ?? node;
  }
}

/** The Job that made the pod. */
export function jobUidOf({ metadata }: MetadataOnly): string | undefined {
  const owner = (metadata.ownerReferences ?? []).find(({ kind, controller }) => kind === "Job" && controller === true);
  return owner?.uid ?? metadata.labels?.[CONTROLLER_UID_LABEL];
}

/** Milliseconds since 1970 of a time as the API server writes it. */
export function readMilliseconds(time: string | undefined): number | undefined {
  const milliseconds = Date.parse(time ?? "");
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
