import type { NodeState, Taint } from "./node";
import type { NodeRequirement, PodState, Toleration } from "./pod";
import { NO_RESOURCES, add, subtract, within, type Resources } from "./quantity";

/** A node and what is already taken of it, for packing. */
export class Room {
  private used: Resources = NO_RESOURCES;
  private pods = 0;

  constructor(readonly node: NodeState) {}

  /** What is still free. */
  get free(): Resources {
    return subtract(this.node.allocatable, this.used);
  }

  /** Counts a pod as placed here. */
  place(pod: PodState): void {
    this.used = add(this.used, pod.requests);
    this.pods += 1;
  }

  /** Why the pod does not fit here now; undefined when it does. */
  refusal(pod: PodState): string | undefined {
    const excluded = exclusion(pod, this.node);
    if (excluded !== undefined) {
      return excluded;
    }
    if (this.pods >= this.node.maxPods) {
      return "Too many pods";
    }
    if (!within(pod.requests, this.free)) {
      const { cpu, memory } = this.free;
      return pod.requests.cpu > cpu
        ? "Insufficient cpu"
        : pod.requests.memory > memory
          ? "Insufficient memory"
          : "Insufficient ephemeral-storage";
    }
    return undefined;
  }
}

/**
 * Rule 3: why the node's nature (not its load) keeps the pod off: cordon, selector, required node affinity, taints.
 * Topology spread and pod affinity are not modelled.
 */
export function exclusion(pod: PodState, node: NodeState): string | undefined {
  if (node.unschedulable) {
    return "node(s) were unschedulable";
  }
  for (const [key, value] of Object.entries(pod.nodeSelector)) {
    if (node.labels[key] !== value) {
      return "node(s) didn't match Pod's node affinity/selector";
    }
  }
  if (pod.nodeAffinity.length > 0 && !pod.nodeAffinity.some((term) => term.every((one) => meets(node.labels, one)))) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  const taint = node.taints.find(
    (one) => one.effect !== "PreferNoSchedule" && !pod.tolerations.some((toleration) => tolerates(toleration, one)),
  );
  return taint === undefined ? undefined : `node(s) had untolerated taint {${taint.key}: ${taint.value}}`;
}

/** Kubernetes' rule: an empty key with Exists tolerates everything, an empty effect every effect. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = "", operator = "Equal", value = "", effect = "" } = toleration;
  if (effect !== "" && effect !== taint.effect) {
    return false;
  }
  if (operator === "Exists") {
    return key === "" || key === taint.key;
  }
  return key === taint.key && value === taint.value;
}

function meets(labels: Readonly<Record<string, string>>, { key, operator, values }: NodeRequirement): boolean {
  const label = labels[key];
  const listed = values ?? [];
  switch (operator) {
    case "In":
      return label !== undefined && listed.includes(label);
    case "NotIn":
      return label === undefined || !listed.includes(label);
    case "Exists":
      return label !== undefined;
    case "DoesNotExist":
      return label === undefined;
    case "Gt":
      return Number(label) > Number(listed[0]);
    case "Lt":
      return Number(label) < Number(listed[0]);
    default:
      return false;
  }
}
