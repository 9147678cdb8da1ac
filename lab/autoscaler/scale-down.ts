import { drainVerdict, type DrainContext } from "./drain";
import { placeWhatFits, roomsOf } from "./estimate";
import { SCALE_DOWN_DISABLED, type NodeState } from "./node";
import type { PodState } from "./pod";
import type { Timers } from "./timers";
import { utilization } from "./utilization";

/** What one loop looks at. */
export interface ScaleDownInput extends DrainContext {
  /** Every node of the cluster. */
  readonly nodes: readonly NodeState[];
  /** Every pod of the cluster. */
  readonly pods: readonly PodState[];
  /** Whether a node belongs to a pool that may shrink. */
  readonly inPool: (node: NodeState) => boolean;
  /** Nodes that are being removed already. */
  readonly deleting: ReadonlySet<string>;
  /** Nodes that may go before the pool is at its minimum. */
  readonly mayGo: number;
}

/** A node to remove now. */
export interface Removal {
  readonly node: string;
  /** Pods to evict; none on an empty node. */
  readonly evict: readonly PodState[];
}

/** What is known of one node between loops. */
export type NodeStanding =
  | { readonly kind: "needed"; readonly reason: string }
  | { readonly kind: "unremovable"; readonly reason: string; readonly until: number }
  | { readonly kind: "unneeded"; readonly since: number };

/**
 * Rules 7 to 13 over successive loops: which nodes are not needed, since when, and which go now. Holds only timers; the
 * caller removes the nodes and says so with {@link deleted}.
 */
export class ScaleDown {
  private readonly standings = new Map<string, NodeStanding>();
  private lastAdd = Number.NEGATIVE_INFINITY;
  private lastDelete = Number.NEGATIVE_INFINITY;
  private lastFailure = Number.NEGATIVE_INFINITY;

  constructor(private readonly timers: Timers) {}

  /** Nodes were asked for. */
  added(now: number): void {
    this.lastAdd = now;
  }

  /** A node was removed. */
  deleted(now: number): void {
    this.lastDelete = now;
  }

  /** A removal failed. */
  failed(node: string, now: number): void {
    this.lastFailure = now;
    this.standings.delete(node);
  }

  /** What is held of a node; undefined for one not looked at yet. */
  standing(node: string): NodeStanding | undefined {
    return this.standings.get(node);
  }

  /** One loop. */
  step(input: ScaleDownInput): Removal[] {
    const { nodes, inPool, deleting, now } = input;
    const known = new Set(nodes.map(({ name }) => name));
    for (const name of this.standings.keys()) {
      if (!known.has(name)) {
        this.standings.delete(name);
      }
    }
    const byNode = podsByNode(input.pods);
    const due: Removal[] = [];
    const gone = new Set(deleting);
    for (const node of nodes) {
      if (!inPool(node) || deleting.has(node.name)) {
        continue;
      }
      const { standing, evict } = this.judge(node, byNode.get(node.name) ?? [], gone, input);
      this.standings.set(node.name, standing);
      // Rule 12: a node that is not ready has a time of its own.
      const wanted = node.ready ? this.timers.unneededTime : this.timers.unreadyTime;
      if (standing.kind === "unneeded" && now - standing.since >= wanted) {
        due.push({ node: node.name, evict });
        gone.add(node.name);
      }
    }
    if (due.length === 0 || this.coolingDown(now)) {
      return [];
    }
    // Rule 13: empty nodes in bulk and before those that must be drained; never below the minimum.
    const emptyFirst = [
      ...due.filter(({ evict }) => evict.length === 0),
      ...due.filter(({ evict }) => evict.length > 0),
    ];
    return emptyFirst.slice(0, Math.min(input.mayGo, this.timers.parallelDeletions));
  }

  /** Rule 13: whether deletions must wait; the unneeded timers run on meanwhile. */
  coolingDown(now: number): boolean {
    const { delayAfterAdd, delayAfterDelete, delayAfterFailure } = this.timers;
    return (
      now < this.lastAdd + delayAfterAdd ||
      now < this.lastDelete + delayAfterDelete ||
      now < this.lastFailure + delayAfterFailure
    );
  }

  /**
   * The first moment after `now` at which a step with the same nodes and pods could decide otherwise; Infinity for never.
   * Holds while no pod is being deleted and none is in kube-system: of those the age counts, too (rules 8 and 9).
   */
  nextChange(now: number): number {
    const { delayAfterAdd, delayAfterDelete, delayAfterFailure, unneededTime, unreadyTime } = this.timers;
    let next = Infinity;
    const at = (moment: number): void => {
      if (moment > now && moment < next) {
        next = moment;
      }
    };
    at(this.lastAdd + delayAfterAdd);
    at(this.lastDelete + delayAfterDelete);
    at(this.lastFailure + delayAfterFailure);
    for (const standing of this.standings.values()) {
      if (standing.kind === "unneeded") {
        at(standing.since + unneededTime);
        at(standing.since + unreadyTime);
      } else if (standing.kind === "unremovable") {
        at(standing.until);
      }
    }
    return next;
  }

  private judge(
    node: NodeState,
    pods: readonly PodState[],
    gone: ReadonlySet<string>,
    input: ScaleDownInput,
  ): Judgement {
    const { now } = input;
    const before = this.standings.get(node.name);
    // Rule 7, in its order.
    if (node.annotations[SCALE_DOWN_DISABLED] === "true") {
      return needed("scale-down is disabled by annotation");
    }
    if (before?.kind === "unremovable" && now < before.until) {
      return { standing: before, evict: [] };
    }
    if (node.ready && utilization(node, pods, now) > this.timers.utilizationThreshold) {
      return needed("utilization is above the threshold");
    }
    // Rules 9 to 11: a node that cannot be removed is left out for a while, and its timer does not run.
    const until = now + this.timers.unremovableRecheck;
    const evict: PodState[] = [];
    for (const pod of pods) {
      const verdict = drainVerdict(pod, input);
      if (verdict.kind === "block") {
        return unremovable(`${pod.namespace}/${pod.name}: ${verdict.reason}`, until);
      }
      if (verdict.kind === "drain" && !pod.terminal) {
        evict.push(pod);
      }
    }
    if (evict.length > 0) {
      const elsewhere = input.nodes.filter((one) => one.name !== node.name && !gone.has(one.name) && one.ready);
      if (placeWhatFits(evict, roomsOf(elsewhere, input.pods)).length > 0) {
        return unremovable("no place to move its pods to", until);
      }
    }
    const since = before?.kind === "unneeded" ? before.since : now;
    return { standing: { kind: "unneeded", since }, evict };
  }
}

/** A node's standing, and what would have to move for it to go. */
interface Judgement {
  readonly standing: NodeStanding;
  readonly evict: readonly PodState[];
}

// Functions of their own: a simulation judges millions of nodes, and making closures for each took a third of its time.
function needed(reason: string): Judgement {
  return { standing: { kind: "needed", reason }, evict: [] };
}

function unremovable(reason: string, until: number): Judgement {
  return { standing: { kind: "unremovable", reason, until }, evict: [] };
}

function podsByNode(pods: readonly PodState[]): Map<string, PodState[]> {
  const byNode = new Map<string, PodState[]>();
  for (const pod of pods) {
    if (pod.nodeName !== undefined) {
      const there = byNode.get(pod.nodeName);
      if (there === undefined) {
        byNode.set(pod.nodeName, [pod]);
      } else {
        there.push(pod);
      }
    }
  }
  return byNode;
}
