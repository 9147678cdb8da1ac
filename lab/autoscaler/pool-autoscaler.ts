/**
 * A stand-in for GKE's cluster autoscaler and its machines, for the node pools that `pulumi up` declared.
 *
 * Models: the rules of the upstream autoscaler that decide when nodes come and go (the numbers in the code are those of
 * this list: 1 trigger, 2 template node, 3 fit, 4 bin-packing, 5 upcoming nodes, 6 back-off, 7 candidate filter,
 * 8 utilization, 9 drain rules, 10 no place to move, 11 recheck list, 12 unneeded timer, 13 cooldown and minimum,
 * 14 taint, 15 events), GKE's profiles, boot time, the pool's own minimum and maximum.
 * Does not prove: that managed GKE runs these values (an inference from a published chart), real boot times, quota and
 * stock-outs, the choice between several pools (each is served in turn), topology spread and pod affinity, disruption
 * budgets during scale-down (only evictions ask them), or real allocatable sizes (machine-types.ts). Nodes are objects
 * that kwok plays. All times are divided by one factor.
 */
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";
import { EventRecorder } from "./event-recorder";
import type { MachineType } from "./machine-types";
import { nodeState, type NodeObject, type NodeState } from "./node";
import type { Objection } from "./node-removal";
import { NodeRemovals } from "./node-removals";
import { pause } from "../kubelet/pause";
import { podState, type PodObject, type PodState } from "./pod";
import { GKE_POOL_LABEL, readPool, type DeclaredPool, type PoolSpec } from "./pool";
import { PoolDecisions, type ClusterView } from "./pool-decisions";
import { registerNodes } from "./registration";
import { PROFILES, scaled, type AutoscalingProfile, type Timers } from "./timers";

/** Something the autoscaler did. */
export interface AutoscalerEvent {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: "scale-up" | "node-booted" | "scale-down" | "node-gone" | "stayed" | "failed" | "pool-gone";
  readonly message: string;
}

/** How to make a {@link PoolAutoscaler}. */
export interface PoolAutoscalerOptions {
  readonly client: KubernetesClient;
  /** The pools as they are declared now; asked in every loop, so that a changed maximum counts at once. */
  readonly pool: () => DeclaredPool | readonly DeclaredPool[] | undefined;
  /** The cluster's profile. */
  readonly profile: AutoscalingProfile;
  /** All times are divided by it; 1 or more. */
  readonly timeScale: number;
  /** Default: the model's own table. */
  readonly machineTypes?: ReadonlyMap<string, MachineType>;
  /** Single timers other than the profile's, unscaled milliseconds. */
  readonly timers?: Partial<Timers>;
  /** Hears each event as it happens. */
  readonly onEvent?: (event: AutoscalerEvent) => void;
}

/** See the top of this file. */
export class PoolAutoscaler {
  /** Everything it did, oldest first. */
  readonly events: AutoscalerEvent[] = [];
  /** Most nodes at one time, booting ones included: the model's own count. The lab's verdict counts by a watch. */
  peakNodes = 0;
  private readonly timers: Timers;
  private readonly decisions: PoolDecisions;
  private readonly stopping = new AbortController();
  private readonly pods: Informer<PodState, PodObject>;
  private readonly nodeInformer: Informer<NodeState, NodeObject>;
  private readonly recorder: EventRecorder;
  private readonly removals: NodeRemovals;
  private readonly seenPools = new Set<string>();
  private readonly closingPools = new Set<string>();
  private loop: Promise<void> | undefined;

  constructor(private readonly options: PoolAutoscalerOptions) {
    const { client } = options;
    this.timers = scaled({ ...PROFILES[options.profile], ...options.timers }, options.timeScale);
    this.decisions = new PoolDecisions(this.timers, options.machineTypes);
    this.pods = new Informer({ client, path: "/api/v1/pods", keep: podState });
    this.nodeInformer = new Informer({ client, path: "/api/v1/nodes", keep: nodeState });
    this.recorder = new EventRecorder(client, this.stopping.signal);
    this.removals = new NodeRemovals({
      client,
      signal: this.stopping.signal,
      graceMs: this.timers.maxGracefulTermination,
      known: (name) => this.nodeInformer.get("", name) !== undefined,
      tell: (kind, name, why) => {
        this.onRemoval(kind, name, why);
      },
    });
  }

  /** Resolves once pods and nodes were read; the loop then runs by itself. */
  async start(): Promise<void> {
    const { signal } = this.stopping;
    await Promise.all([this.pods.start(signal), this.nodeInformer.start(signal)]);
    this.loop = this.run();
  }

  /** Ends the loop and removals under way; nodes stay as they are. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    await this.removals.settled();
  }

  /** Names of the pools' nodes that exist or are booting. */
  nodes(): string[] {
    return this.declared().flatMap((pool) => this.members(pool.name));
  }

  /**
   * Drains a pool's nodes and removes them, as GKE does when a pool is deleted; neither safe-to-evict nor a disruption
   * budget holds it up (that takes `respectPdbDuringNodePoolDeletion`). The pool gets no new nodes from the call on.
   *
   * @returns once the last node is gone.
   */
  async removePool(name: string): Promise<void> {
    this.closingPools.add(name);
    this.decisions.cancel(name);
    const nodes = this.nodeInformer.list().filter((node) => node.labels[GKE_POOL_LABEL] === name);
    await Promise.all(
      nodes.map((node) => this.removals.remove(node.name, "its pool is deleted", () => undefined, "ignored")),
    );
    this.closingPools.delete(name);
    if (this.seenPools.delete(name)) {
      this.tell("pool-gone", `${name}, with ${nodes.length} nodes at its end`);
    }
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.scan(Date.now());
      } catch (error) {
        this.tellFailure("scan", error);
      }
      await pause(this.timers.scanInterval, signal);
    }
  }

  private async scan(now: number): Promise<void> {
    const declared = this.declared();
    const names = new Set(declared.map(({ name }) => name));
    for (const gone of [...this.seenPools].filter((name) => !names.has(name) && !this.closingPools.has(name))) {
      void this.removePool(gone);
    }
    for (const pool of declared.filter(({ name }) => !this.closingPools.has(name)).map(readPool)) {
      await this.boot(pool, now);
      this.grow(pool, now);
      this.shrink(pool, now);
    }
    this.peakNodes = Math.max(this.peakNodes, this.nodes().length);
  }

  private declared(): readonly DeclaredPool[] {
    const pools = this.options.pool() ?? [];
    return Array.isArray(pools) ? (pools as readonly DeclaredPool[]) : [pools as DeclaredPool];
  }

  private members(pool: string): string[] {
    return this.decisions.members(pool, this.nodeInformer.list());
  }

  private look(): ClusterView {
    return { pods: this.pods.list(), nodes: this.nodeInformer.list(), removing: this.removals.names() };
  }

  private async boot(pool: PoolSpec, now: number): Promise<void> {
    if (!this.seenPools.has(pool.name)) {
      this.seenPools.add(pool.name);
      this.order(pool, pool.initialNodes, now, "its initial size");
    }
    const { signal } = this.stopping;
    const { ready, failed, due } = this.decisions.boot(pool, (name) => this.nodeInformer.get("", name), now);
    for (const name of ready) {
      this.tell("node-booted", name);
    }
    for (const name of failed) {
      this.tell("failed", `${name} was not ready in time`);
      void this.remove(name, "it never became ready", () => undefined);
    }
    await registerNodes(this.options.client, pool, this.decisions.template(pool), due, signal);
  }

  private grow(pool: PoolSpec, now: number): void {
    const current = this.members(pool.name).length;
    const { count, triggered, notTriggered } = this.decisions.grow(pool, this.look(), now);
    this.order(pool, count, now, `${triggered.length} pods`);
    if (count > 0) {
      const change = `[{${pool.name} ${current}->${current + count} (max: ${pool.maxNodes})}]`;
      for (const pod of triggered) {
        this.recorder.record(pod, "TriggeredScaleUp", `pod triggered scale-up: ${change}`);
      }
    }
    for (const { pod, reason } of notTriggered) {
      this.recorder.record(pod, "NotTriggerScaleUp", `pod didn't trigger scale-up: ${reason}`);
    }
  }

  private order(pool: PoolSpec, count: number, now: number, why: string): void {
    if (count > 0) {
      const before = this.members(pool.name).length;
      this.decisions.order(pool, count, now);
      this.tell("scale-up", `${pool.name} ${before}->${before + count} (max: ${pool.maxNodes}) for ${why}`);
    }
  }

  private shrink(pool: PoolSpec, now: number): void {
    for (const removal of this.decisions.shrink(pool, this.look(), now)) {
      const { node, evict } = removal;
      void this.remove(node, evict.length === 0 ? "empty" : `${evict.length} pods to move`, (pods) =>
        this.decisions.objection(removal, pods, Date.now()),
      );
    }
  }

  private remove(name: string, why: string, objection: Objection): Promise<void> {
    return this.removals.remove(name, why, objection);
  }

  private onRemoval(kind: "scale-down" | "node-gone" | "stayed" | "failed", name: string, why = ""): void {
    if (kind === "node-gone") {
      this.decisions.removed(Date.now());
    } else if (kind !== "scale-down") {
      this.decisions.stayed(name, Date.now());
    }
    this.tell(kind, why === "" ? name : `${name}: ${why}`);
  }

  private tellFailure(what: string, error: unknown): void {
    if (!this.stopping.signal.aborted) {
      this.tell("failed", `${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private tell(kind: AutoscalerEvent["kind"], message: string): void {
    const event = { at: Date.now(), kind, message };
    this.events.push(event);
    this.options.onEvent?.(event);
  }
}
