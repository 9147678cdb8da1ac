import { Room } from "./fit";
import type { NodeState } from "./node";
import type { PodState } from "./pod";

/** What a packing came to. */
export interface Estimate {
  /** New nodes that were filled. */
  readonly nodes: number;
  /** Pods that found a place on them. */
  readonly placed: readonly PodState[];
  /** Pods for which the limit left no node. */
  readonly left: readonly PodState[];
  /** Pods that not even an empty node of this kind takes, with the reason. */
  readonly impossible: readonly { readonly pod: PodState; readonly reason: string }[];
}

/**
 * Rule 4: how many new nodes of one kind these pods need: first fit, largest pods first (by the sum of their shares of
 * a node's cpu and memory), as the autoscaler's bin-packing estimator does.
 */
export function estimate(pods: readonly PodState[], template: NodeState, limit: number): Estimate {
  const rooms: Room[] = [];
  const placed: PodState[] = [];
  const left: PodState[] = [];
  const impossible: { pod: PodState; reason: string }[] = [];
  for (const pod of largestFirst(pods, template)) {
    const reason = new Room(template).refusal(pod);
    if (reason !== undefined) {
      impossible.push({ pod, reason });
      continue;
    }
    let room = rooms.find((one) => one.refusal(pod) === undefined);
    if (room === undefined && rooms.length < limit) {
      room = new Room(template);
      rooms.push(room);
    }
    if (room === undefined) {
      left.push(pod);
    } else {
      room.place(pod);
      placed.push(pod);
    }
  }
  return { nodes: rooms.length, placed, left, impossible };
}

/** Places pods where they fit, in the order given; returns those that found no place. */
export function placeWhatFits(pods: readonly PodState[], rooms: readonly Room[]): PodState[] {
  return pods.filter((pod) => {
    const room = rooms.find((one) => one.refusal(pod) === undefined);
    room?.place(pod);
    return room === undefined;
  });
}

/** Nodes with their running pods counted as placed. */
export function roomsOf(nodes: readonly NodeState[], pods: readonly PodState[]): Room[] {
  const rooms = new Map(nodes.map((node) => [node.name, new Room(node)]));
  for (const pod of pods) {
    if (!pod.terminal && pod.nodeName !== undefined) {
      rooms.get(pod.nodeName)?.place(pod);
    }
  }
  return [...rooms.values()];
}

function largestFirst(pods: readonly PodState[], { allocatable }: NodeState): PodState[] {
  const score = ({ requests }: PodState): number =>
    requests.cpu / allocatable.cpu + requests.memory / allocatable.memory;
  return [...pods].sort((a, b) => score(b) - score(a));
}
