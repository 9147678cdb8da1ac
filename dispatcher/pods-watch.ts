import { AGENT_CONTAINER, JOB_UUID, QUEUE_LABEL } from "../components/contract";
import { labelValue } from "../components/stamp";
import { OURS, type AgentsNamespace } from "./agents-namespace";
import type { KubernetesClient } from "./kubernetes/client";
import { Informer, type ChangeKind } from "./kubernetes/informer";
import type { MetadataOnly, Pod } from "./kubernetes/objects";
import { Watched } from "./watched";

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
  /** Of the agent. */
  readonly exitCode: number | undefined;
  /** Kubernetes' word for an end that was not the agent's own, for example `OOMKilled`, `Evicted`. */
  readonly reason: string | undefined;
  /** Whether it waits for a node. */
  readonly pending: boolean;
  /** Whether it has its node, and no container of it runs. */
  readonly starting: boolean;
}

export interface PodsWatchOptions {
  client: KubernetesClient;
  api: AgentsNamespace;
  /** Keys of the served queues. */
  queues: readonly string[];
  onChange?: (kind: ChangeKind, pod: SeenPod, previous: SeenPod | undefined) => void;
  onError: (error: unknown) => void;
}

/** Our pods as the watch last saw them: for counting and telling, never for a decision. */
export class PodsWatch extends Watched<SeenPod, Pod> {
  protected readonly informer: Informer<SeenPod, Pod>;
  readonly #keys: ReadonlyMap<string, string>;
  /** One string for each node, however many pods it has. */
  readonly #nodes = new Map<string, string>();

  constructor(options: PodsWatchOptions) {
    super();
    this.#keys = new Map(options.queues.map((key) => [labelValue(key), key]));
    this.informer = new Informer({
      client: options.client,
      path: options.api.podsPath,
      query: OURS,
      keep: (pod) => this.#keep(pod),
      onChange: options.onChange,
      onError: options.onError,
    });
  }

  list(): SeenPod[] {
    return this.informer.list();
  }

  /** Pods whose agent has not started yet, oldest first. */
  waiting(): SeenPod[] {
    const waiting = this.informer.list().filter((pod) => pod.pending || pod.starting);
    return waiting.sort((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0));
  }

  /** Of the Jobs that have a pod. */
  jobUids(): Set<string> {
    return new Set(this.informer.list().flatMap(({ jobUid }) => (jobUid === undefined ? [] : [jobUid])));
  }

  /** By queue key; a queue without such pods has zeros. */
  pendingByQueue(nowMs = Date.now()): Map<string, { count: number; oldestSeconds: number }> {
    const found = new Map(Array.from(this.#keys.values(), (key) => [key, { count: 0, oldestSeconds: 0 }]));
    for (const { queue, createdAt = nowMs, pending } of this.informer.list()) {
      if (pending) {
        const key = this.#keys.get(queue) ?? "other";
        const { count, oldestSeconds } = found.get(key) ?? { count: 0, oldestSeconds: 0 };
        found.set(key, { count: count + 1, oldestSeconds: Math.max(oldestSeconds, (nowMs - createdAt) / 1000) });
      }
    }
    return found;
  }

  #keep(pod: Pod): SeenPod {
    const seen = seenPod(pod);
    return seen.node === undefined ? seen : { ...seen, node: this.#shared(seen.node) };
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

/** What memory holds of it. */
export function seenPod({ metadata, spec, status }: Pod): SeenPod {
  const { name, uid, labels = {}, deletionTimestamp } = metadata;
  const agent = (status?.containerStatuses ?? []).find((container) => container.name === AGENT_CONTAINER)?.state;
  const scheduled = (status?.conditions ?? []).find(({ type }) => type === "PodScheduled");
  const node = spec?.nodeName === "" ? undefined : spec?.nodeName;
  const deleting = deletionTimestamp !== undefined;
  const isPending = !deleting && (status?.phase ?? "Pending") === "Pending";
  return {
    ...{ name, uid, jobUuid: labels[JOB_UUID] ?? "", jobUid: jobUidOf({ metadata }), deleting },
    queue: labels[QUEUE_LABEL] ?? "",
    createdAt: readMilliseconds(metadata.creationTimestamp),
    node,
    boundAt: scheduled?.status === "True" ? readMilliseconds(scheduled.lastTransitionTime) : undefined,
    startedAt: readMilliseconds(agent?.running?.startedAt ?? agent?.terminated?.startedAt),
    finishedAt: readMilliseconds(agent?.terminated?.finishedAt),
    exitCode: agent?.terminated?.exitCode,
    reason: status?.reason ?? unusual(agent?.terminated?.reason),
    pending: isPending && node === undefined,
    starting: isPending && node !== undefined,
  };
}

/** Without the words of an end that every container comes to. */
function unusual(reason: string | undefined): string | undefined {
  return reason === "Completed" || reason === "Error" ? undefined : reason;
}

/** The Job that made the pod. */
export function jobUidOf({ metadata }: MetadataOnly): string | undefined {
  const owner = (metadata.ownerReferences ?? []).find(({ kind, controller }) => kind === "Job" && controller === true);
  return owner?.uid ?? metadata.labels?.[CONTROLLER_UID_LABEL];
}

/** Milliseconds since 1970 of a time as the API server writes it. */
export function readMilliseconds(time: string | undefined): number | undefined {
  const milliseconds = Date.parse(time ?? "");
  // Of a container that could not be started it says 1970.
  return milliseconds > 0 ? milliseconds : undefined;
}
