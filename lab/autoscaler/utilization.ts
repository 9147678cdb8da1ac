import { LONG_TERMINATING } from "./drain";
import type { NodeState } from "./node";
import type { PodState } from "./pod";
import { add, NO_RESOURCES, subtract } from "./quantity";

/**
 * Rule 8: the larger of the cpu and memory shares. DaemonSet and mirror pods count on neither side (GKE's setting), pods
 * long past their deletion not at all. `pods` are those bound to the node.
 */
export function utilization(node: NodeState, pods: readonly PodState[], now: number): number {
  const ignored = pods.filter((pod) => !pod.terminal && (pod.mirror || pod.controller === "DaemonSet"));
  const counted = pods.filter(
    (pod) =>
      !pod.terminal &&
      !ignored.includes(pod) &&
      !(pod.deletionDue !== undefined && now - pod.deletionDue > LONG_TERMINATING),
  );
  const used = counted.reduce((sum, pod) => add(sum, pod.requests), NO_RESOURCES);
  const base = ignored.reduce((rest, pod) => subtract(rest, pod.requests), node.allocatable);
  return Math.max(share(used.cpu, base.cpu), share(used.memory, base.memory));
}

function share(used: number, of: number): number {
  return of > 0 ? used / of : used > 0 ? 1 : 0;
}
