import type { PodState } from "./pod";

/** What a node's removal would mean for one of its pods. */
export type DrainVerdict =
  /** Not in the way and not to be moved. */
  | { readonly kind: "skip" }
  /** Goes away with the node without needing another place. */
  | { readonly kind: "ends" }
  /** Would be evicted and must fit elsewhere. */
  | { readonly kind: "drain" }
  /** Keeps the node. */
  | { readonly kind: "block"; readonly reason: string };

const SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict";
const HOUR = 3_600_000;
/** A pod so long past its deletion time no longer counts (rules 8 and 9). */
export const LONG_TERMINATING = 30_000;

/** What the rules need beside the pod. */
export interface DrainContext {
  /** Epoch milliseconds. */
  readonly now: number;
  /** `--skip-nodes-with-local-storage`; GKE since 1.22: false. */
  readonly localStorageBlocks: boolean;
  /** Whether some PodDisruptionBudget selects the pod. */
  readonly hasBudget: (pod: PodState) => boolean;
  /** Whether a PodDisruptionBudget allows one eviction less than this pod needs. */
  readonly budgetForbids: (pod: PodState) => boolean;
}

/**
 * Rule 9: the first rule that applies decides. The rule on replica counts is left out: it is off unless custom
 * controllers' pods are skipped, which GKE does not do.
 */
export function drainVerdict(pod: PodState, context: DrainContext): DrainVerdict {
  const { now } = context;
  if (pod.mirror) {
    return { kind: "skip" };
  }
  if (pod.deletionDue !== undefined && now - pod.deletionDue > LONG_TERMINATING) {
    return { kind: "skip" };
  }
  if (pod.controller === "DaemonSet") {
    return { kind: "skip" };
  }
  const safe = pod.annotations[SAFE_TO_EVICT];
  if (safe === "true") {
    return { kind: "drain" };
  }
  if (pod.terminal) {
    return { kind: "ends" };
  }
  if (safe === "on-completion") {
    return { kind: "block", reason: "safe-to-evict: on-completion" };
  }
  // A Job's pod has a controller: it counts as replicated and is evicted unless the annotation says otherwise.
  if (pod.controller === undefined) {
    return { kind: "block", reason: "not replicated" };
  }
  if (pod.namespace === "kube-system" && !context.hasBudget(pod)) {
    return now - pod.createdAt > HOUR
      ? { kind: "drain" }
      : { kind: "block", reason: "kube-system pod without a budget" };
  }
  if (safe === "false") {
    return { kind: "block", reason: "safe-to-evict: false" };
  }
  if (pod.localStorage && context.localStorageBlocks) {
    return { kind: "block", reason: "local storage" };
  }
  if (context.budgetForbids(pod)) {
    return { kind: "block", reason: "not enough pod disruption budget" };
  }
  return { kind: "drain" };
}
