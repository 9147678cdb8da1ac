import { resourcesFrom, type Resources } from "./quantity";

/** A node's taint, in Kubernetes' spelling. */
export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

/** What the model keeps of a node, real or imagined. */
export interface NodeState {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly allocatable: Resources;
  readonly maxPods: number;
  readonly ready: boolean;
  readonly unschedulable: boolean;
}

/** Rule 14: on a node that is about to go. */
export const DELETION_TAINT = "ToBeDeletedByClusterAutoscaler";

/** Rule 7: a node with this annotation set to `true` is never removed. */
export const SCALE_DOWN_DISABLED = "cluster-autoscaler.kubernetes.io/scale-down-disabled";

/** The parts of a core/v1 Node that are read. */
export interface NodeObject {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly resourceVersion?: string;
  };
  readonly spec?: {
    readonly taints?: readonly { key: string; value?: string; effect: Taint["effect"] }[];
    readonly unschedulable?: boolean;
  };
  readonly status?: {
    readonly allocatable?: Readonly<Record<string, string>>;
    readonly conditions?: readonly { type: string; status: string }[];
  };
}

/** Taints of a node that is about to become ready or has ceased to be: with one of them it is not ready to the autoscaler. */
const NOT_READY_TAINTS = new Set([
  "node.kubernetes.io/not-ready",
  "node.kubernetes.io/unreachable",
  "node.kubernetes.io/network-unavailable",
]);

/** Reduces a Node to what the model needs. */
export function nodeState(node: NodeObject): NodeState {
  const reported = (node.status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True");
  return {
    name: node.metadata.name,
    labels: node.metadata.labels ?? {},
    annotations: node.metadata.annotations ?? {},
    taints: (node.spec?.taints ?? []).map(({ key, value, effect }) => ({ key, value: value ?? "", effect })),
    allocatable: resourcesFrom(node.status?.allocatable),
    maxPods: Number(node.status?.allocatable?.["pods"] ?? 110),
    ready: reported && !(node.spec?.taints ?? []).some(({ key }) => NOT_READY_TAINTS.has(key)),
    unschedulable: node.spec?.unschedulable ?? false,
  };
}
