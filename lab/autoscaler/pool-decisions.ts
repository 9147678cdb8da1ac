import { Backoff } from "./backoff";
import { drainVerdict } from "./drain";
import { MACHINE_TYPES, type MachineType } from "./machine-types";
import { Machines, type BootOutcome } from "./machines";
import type { NodeState } from "./node";
import type { PodState } from "./pod";
import { GKE_POOL_LABEL, templateNode, type PoolSpec } from "./pool";
import { ScaleDown, type Removal } from "./scale-down";
import { planScaleUp, withExpected, type ScaleUpPlan } from "./scale-up";
import type { Timers } from "./timers";

/** A cluster as one look at it found it. */
export interface ClusterView {
  /** Every pod. */
  readonly pods: readonly PodState[];
  /** Every Node object. */
  readonly nodes: readonly NodeState[];
  /** Names of the nodes that are being removed. */
  readonly removing: ReadonlySet<string>;
}

/** What the model says of drains beside the pods; it has no budgets. */
const DRAIN_RULES = { localStorageBlocks: false, hasBudget: () => false, budgetForbids: () => false };

/**
 * All decisions of the autoscaler's model, without a clock or a cluster: whoever drives it says what there is and what
 * time it is (any epoch, milliseconds), and carries out what it decides. `PoolAutoscaler` drives it against a cluster,
 * `lab/estimate` in a simulation: so both follow the same rules. One loop calls {@link boot}, {@link grow} and
 * {@link shrink}, in this order, for each pool.
 */
export class PoolDecisions {
  private readonly machines: Machines;
  private readonly scaleDown: ScaleDown;
  private readonly backoffs = new Map<string, Backoff>();

  /** @param machineTypes default: the model's own table. */
  constructor(
    private readonly timers: Timers,
    private readonly machineTypes: ReadonlyMap<string, MachineType> = MACHINE_TYPES,
  ) {
    this.scaleDown = new ScaleDown(timers);
    this.machines = new Machines(timers);
  }

  /** Rule 2. */
  template(pool: PoolSpec): NodeState {
    return templateNode(pool, this.machineTypes);
  }

  /** Names of one pool's nodes: Node objects and machines that are still booting. */
  members(pool: string, nodes: readonly NodeState[]): string[] {
    const registered = nodes.filter((node) => node.labels[GKE_POOL_LABEL] === pool).map(({ name }) => name);
    return [...registered, ...this.machines.of(pool).filter((name) => !registered.includes(name))];
  }

  /** What became of the pool's machines. A failed one counts for the back-off (rule 6). */
  boot(pool: PoolSpec, node: (name: string) => NodeState | undefined, now: number): BootOutcome {
    const outcome = this.machines.look(pool.name, node, now);
    outcome.failed.forEach(() => {
      this.backoff(pool.name).fail(now);
    });
    return outcome;
  }

  /** Asks for machines, whatever the reason. */
  order(pool: PoolSpec, count: number, now: number): void {
    if (count > 0) {
      this.machines.order(pool, count, now);
      this.scaleDown.added(now);
    }
  }

  /** Rules 1 to 6: how many nodes to {@link order} now, and for whom. */
  grow(pool: PoolSpec, { pods, nodes }: ClusterView, now: number): ScaleUpPlan {
    const plan = planScaleUp({
      pods,
      readyNodes: nodes.filter((node) => node.ready && !this.machines.has(node.name)),
      upcoming: this.machines.of(pool.name).length,
      current: this.members(pool.name, nodes).length,
      maxNodes: pool.maxNodes,
      template: this.template(pool),
      now,
    });
    return this.backoff(pool.name).active(now) ? { ...plan, count: 0 } : plan;
  }

  /** Rules 7 to 13: which nodes to remove now. Say afterwards what became of each: {@link removed} or {@link stayed}. */
  shrink(pool: PoolSpec, { pods, nodes, removing }: ClusterView, now: number): Removal[] {
    const staying = this.members(pool.name, nodes).filter((name) => !removing.has(name)).length;
    const ready = nodes.filter((node) => node.ready && !removing.has(node.name));
    return this.scaleDown.step({
      ...DRAIN_RULES,
      now,
      nodes,
      pods: withExpected(pods, ready),
      inPool: (node) => node.labels[GKE_POOL_LABEL] === pool.name && !this.machines.has(node.name),
      deleting: removing,
      mayGo: Math.max(0, staying - pool.minNodes),
    });
  }

  /** Why a node that was to go must stay after all, given the pods found on it once no more can come. */
  objection({ evict }: Removal, found: readonly PodState[], now: number): string | undefined {
    const planned = new Set(evict.map(({ uid }) => uid));
    const late = found.find((pod) => {
      const verdict = drainVerdict(pod, { ...DRAIN_RULES, now });
      return verdict.kind === "block" || (verdict.kind === "drain" && !pod.terminal && !planned.has(pod.uid));
    });
    return late === undefined ? undefined : `${late.namespace}/${late.name} came in between`;
  }

  /** A node was removed. */
  removed(now: number): void {
    this.scaleDown.deleted(now);
  }

  /** A removal failed, or was given up. */
  stayed(node: string, now: number): void {
    this.scaleDown.failed(node, now);
  }

  /** Gives up a pool's booting machines. */
  cancel(pool: string): void {
    this.machines.cancel(pool);
  }

  /**
   * The first moment after `now` at which the clock alone can change a decision: until then, a loop that finds the same
   * cluster as the last decides what the last did. Infinity for never. As for pods, see {@link ScaleDown.nextChange}; and
   * none may carry the pod-scale-up-delay annotation.
   */
  nextChange(now: number): number {
    const backoffs = [...this.backoffs.values()].map((one) => one.nextChange(now));
    return Math.min(this.machines.nextChange(now), this.scaleDown.nextChange(now), ...backoffs);
  }

  private backoff(pool: string): Backoff {
    const known = this.backoffs.get(pool) ?? new Backoff(this.timers);
    this.backoffs.set(pool, known);
    return known;
  }
}
