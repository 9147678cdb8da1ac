import { estimate, placeWhatFits, roomsOf } from "./estimate";
import { Room } from "./fit";
import type { NodeState } from "./node";
import type { PodState } from "./pod";

/** Rule 1: pods below this priority never cause a node. */
const LOWEST_PRIORITY = -10;
/** Rule 4. */
const MOST_PER_SCALE_UP = 1000;
const DELAY_ANNOTATION = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay";

/** What one loop of the autoscaler looks at for one pool. */
export interface ScaleUpInput {
  /** Every pod of the cluster. */
  readonly pods: readonly PodState[];
  /** Every ready node of the cluster. */
  readonly readyNodes: readonly NodeState[];
  /** Rule 5: nodes of this pool that were asked for and are not ready. */
  readonly upcoming: number;
  /** Nodes of this pool that exist or were asked for. */
  readonly current: number;
  readonly maxNodes: number;
  readonly template: NodeState;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** What it decides. */
export interface ScaleUpPlan {
  /** Nodes to add. */
  readonly count: number;
  /** Pods that the new nodes are for. */
  readonly triggered: readonly PodState[];
  /** Pods that stay Pending, with the autoscaler's words for why. */
  readonly notTriggered: readonly { readonly pod: PodState; readonly reason: string }[];
}

/** Rules 1 to 5. */
export function planScaleUp(input: ScaleUpInput): ScaleUpPlan {
  const { pods, readyNodes, upcoming, current, maxNodes, template, now } = input;
  const pending = pods.filter((pod) => triggers(pod, now));
  if (pending.length === 0) {
    return { count: 0, triggered: [], notTriggered: [] };
  }
  // Rules 1 and 5: ready and upcoming nodes are filled first, whoever else they were meant for.
  const rooms = [...roomsOf(readyNodes, pods), ...Array.from({ length: upcoming }, () => new Room(template))];
  const homeless = placeWhatFits(pending, rooms);
  const room = Math.max(0, Math.min(maxNodes - current, MOST_PER_SCALE_UP));
  const { nodes, placed, left, impossible } = estimate(homeless, template, room);
  return {
    count: nodes,
    triggered: placed,
    notTriggered: [...left.map((pod) => ({ pod, reason: "1 max node group size reached" })), ...impossible],
  };
}

/** Rule 1: whether a pod may cause a node at all. */
export function triggers(pod: PodState, now: number): boolean {
  if (!pod.unschedulable || pod.priority < LOWEST_PRIORITY) {
    return false;
  }
  const delay = /^([0-9]+)(s|m|h)?$/.exec(pod.annotations[DELAY_ANNOTATION] ?? "0");
  const unit = { s: 1_000, m: 60_000, h: 3_600_000 }[delay?.[2] ?? "s"] ?? 1_000;
  return now - pod.createdAt >= Number(delay?.[1] ?? 0) * unit;
}

/**
 * The pods with those that wait, but fit on a ready node, counted as placed there: what the autoscaler looks at when it
 * asks which nodes are needed (upstream: filter-out-schedulable puts them into its snapshot). Otherwise a node that has
 * just come for a pod could be taken away before the scheduler's next try.
 */
export function withExpected(pods: readonly PodState[], readyNodes: readonly NodeState[]): readonly PodState[] {
  if (!pods.some(({ unschedulable }) => unschedulable)) {
    return pods;
  }
  const rooms = roomsOf(readyNodes, pods);
  return pods.map((pod) => {
    const room = pod.unschedulable ? rooms.find((one) => one.refusal(pod) === undefined) : undefined;
    room?.place(pod);
    return room === undefined ? pod : { ...pod, nodeName: room.node.name };
  });
}
