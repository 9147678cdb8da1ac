/**
 * A pool with its builds in simulated time: what would have become of a history of jobs.
 *
 * Models: the autoscaler by the very decisions of the lab (`lab/autoscaler/pool-decisions.ts`), in loops of its scan
 * interval; machines that boot; a scheduler that binds a pod at once where it fits, oldest first, on the emptiest node
 * (`spread`, Kubernetes' default) or the fullest (`pack`, GKE's with optimize-utilization); the time from a runnable job
 * to its agent at work; builds as long as they were.
 * Does not prove: what the lab does not (see `lab/autoscaler/pool-autoscaler.ts`), builds that take longer on a new node
 * with cold caches or on another machine type, Spot preemption, quota, several zones' stock, jobs that would have become
 * runnable at another time had those before them waited less or longer.
 */
import { PoolDecisions, type Timers } from "../autoscaler";
import type { NodeState } from "../autoscaler/node";
import { nodeLabels, type PoolSpec } from "../autoscaler/pool";
import { EndQueue } from "./end-queue";
import { placesFor, podFor, type SimulatedJob } from "./pods";
import { SimulatedNode } from "./simulated-node";
import { WaitingPods } from "./waiting-pods";
import type { PodState } from "../autoscaler/pod";

/** What to simulate. Times are milliseconds of any epoch. */
export interface SimulationOptions {
  /** By {@link SimulatedJob.runnableAt}. */
  readonly jobs: readonly SimulatedJob[];
  readonly pool: PoolSpec;
  readonly timers: Timers;
  readonly placement: "spread" | "pack";
  /** From a runnable job to its pod. */
  readonly dispatchMs: number;
  /** From a bound pod to the job's first command, with the images there. */
  readonly podStartMs: number;
  /** How much longer that takes on a new node, which has no images. */
  readonly imagePullMs: number;
  /** The first loop. Default: the first job's time. */
  readonly firstScanAt?: number;
  /** Runs every loop, also those that cannot change anything, and shows the planner every pod; slow. For tests. */
  readonly everyScan?: boolean;
}

/** What became of it. */
export interface SimulationResult {
  /** From runnable to the job's first command, milliseconds, in the order of the jobs' starts. */
  readonly waitsMs: Float64Array;
  /** Machines started. */
  readonly coldStarts: number;
  readonly peakNodes: number;
  /** Sum over machines, from the order to the end, milliseconds. */
  readonly paidMs: number;
  /** Of this with at least one pod. */
  readonly busyMs: number;
  /** Sum over jobs of their time, each counted as the share of a node that it takes. */
  readonly usedMs: number;
  /** When the last job was over. */
  readonly lastEndAt: number;
  /** Machines, booting ones included, from each change on. */
  readonly nodes: readonly (readonly [at: number, count: number])[];
}

/** @throws RangeError when a job's pod does not even fit on an empty node. */
export function simulate(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run();
}

class Simulation {
  private readonly decisions: PoolDecisions;
  private readonly template: NodeState;
  private readonly waiting: WaitingPods;
  private readonly running = new EndQueue<{ readonly node: SimulatedNode; readonly pod: PodState }>();
  private readonly nodes = new Map<string, SimulatedNode>();
  private readonly jobOf = new Map<string, SimulatedJob>();
  private readonly waits: Float64Array;
  private readonly nodeCounts: [at: number, count: number][] = [];
  private machines = 0;
  private started = 0;
  private coldStarts = 0;
  private peak = 0;
  private paidMs = 0;
  private busyMs = 0;
  private usedMs = 0;
  private lastEndAt = 0;
  /** Something is other than at the last loop. */
  private changed = false;

  constructor(private readonly options: SimulationOptions) {
    this.decisions = new PoolDecisions(options.timers);
    this.template = this.decisions.template(options.pool);
    const most = (pod: PodState): number =>
      options.everyScan === true ? Infinity : placesFor(pod, this.template) * options.pool.maxNodes + 1;
    this.waiting = new WaitingPods(most);
    this.waits = new Float64Array(options.jobs.length);
  }

  run(): SimulationResult {
    const { jobs, dispatchMs, timers, everyScan = false } = this.options;
    const start = this.options.firstScanAt ?? jobs[0]?.runnableAt ?? 0;
    const gridAfter = (at: number): number =>
      start + Math.max(0, Math.ceil((at - start) / timers.scanInterval - 1e-9)) * timers.scanInterval;
    let next = 0;
    let scan = start;
    for (;;) {
      const arrival = (jobs[next]?.runnableAt ?? Infinity) + dispatchMs;
      const event = Math.min(arrival, this.running.first);
      if (event === Infinity && this.machines === 0 && this.waiting.empty) {
        return this.result();
      }
      if (event <= scan) {
        // What happened between two loops that had nothing to do: the next one is the first after it.
        if (arrival <= event) {
          this.arrive(jobs[next], next, event);
          next += 1;
        } else {
          this.end(event);
        }
        this.changed = true;
        continue;
      }
      this.scan(scan);
      const soonest = scan + timers.scanInterval;
      const idleUntil = this.changed || everyScan ? soonest : gridAfter(this.decisions.nextChange(scan));
      const nextEvent = Math.min((jobs[next]?.runnableAt ?? Infinity) + dispatchMs, this.running.first);
      scan = Math.max(soonest, Math.min(idleUntil, gridAfter(nextEvent)));
      if (scan === Infinity) {
        throw new Error("the simulation has come to a standstill: pods wait, and no loop would change anything");
      }
    }
  }

  private arrive(job: SimulatedJob | undefined, index: number, now: number): void {
    if (job === undefined) {
      return;
    }
    const pod = podFor(job, index, now);
    if (placesFor(pod, this.template) === 0) {
      throw new RangeError(`a pod of ${JSON.stringify(job.requests)} fits on no ${this.options.pool.machineType}`);
    }
    this.jobOf.set(pod.uid, job);
    this.waiting.add(pod);
    this.schedule(this.nodes.values(), now);
  }

  private end(now: number): void {
    const { node, pod } = this.running.take();
    node.end(pod.uid, now);
    this.lastEndAt = now;
    this.schedule([node], now);
  }

  /** Binds what fits; only these nodes can have got room, for whatever fitted before is bound. */
  private schedule(nodes: Iterable<SimulatedNode>, now: number): void {
    const candidates = [...nodes];
    this.waiting.offer((pod) => {
      let best: SimulatedNode | undefined;
      for (const node of candidates) {
        if (node.takes(pod) && (best === undefined || this.better(node, best))) {
          best = node;
        }
      }
      if (best !== undefined) {
        this.start({ ...pod, unschedulable: false, nodeName: best.state.name }, best, now);
      }
      return best !== undefined;
    });
  }

  private better(a: SimulatedNode, b: SimulatedNode): boolean {
    return this.options.placement === "pack" ? a.allocation > b.allocation : a.allocation < b.allocation;
  }

  private start(pod: PodState, node: SimulatedNode, now: number): void {
    const job = this.jobOf.get(pod.uid);
    if (job === undefined) {
      throw new Error(`no job is known of pod ${pod.name}`);
    }
    this.jobOf.delete(pod.uid);
    node.bind(pod, now);
    const { podStartMs, imagePullMs } = this.options;
    const begins = Math.max(now, node.readyAt + imagePullMs) + podStartMs;
    this.waits[this.started] = begins - job.runnableAt;
    this.started += 1;
    this.usedMs += job.durationMs / placesFor(pod, this.template);
    this.running.add(begins + job.durationMs, { node, pod });
  }

  /** One loop of the autoscaler. */
  private scan(now: number): void {
    const { decisions } = this;
    const { pool, everyScan = false } = this.options;
    this.changed = false;
    const { ready, due } = decisions.boot(pool, (name) => this.nodes.get(name)?.state, now);
    const booted = due.map((machine) => {
      machine.registered = true;
      const { name, zone } = machine;
      const node = new SimulatedNode({ ...this.template, name, labels: nodeLabels(pool, name, zone) }, now);
      this.nodes.set(name, node);
      return node;
    });
    if (booted.length > 0) {
      this.schedule(booted, now);
    }
    this.changed ||= ready.length > 0 || due.length > 0;
    const nodes = [...this.nodes.values()].map(({ state }) => state);
    const bound = [...this.nodes.values()].flatMap((node) => [...node.pods.values()]);
    const removing = new Set<string>();
    // A pool at its maximum cannot grow. This scheduler has bound what fits, so shrinking need not see who waits.
    if (everyScan || (!this.waiting.empty && this.machines < pool.maxNodes)) {
      const pods = [...bound, ...this.waiting.visible()];
      this.order(decisions.grow(pool, { pods, nodes, removing }, now).count, now);
    }
    const pods = everyScan ? [...bound, ...this.waiting.visible()] : bound;
    for (const { node, evict } of decisions.shrink(pool, { pods, nodes, removing }, now)) {
      if (evict.length > 0) {
        throw new Error("a build's pod was to be evicted: its annotation forbids that");
      }
      this.remove(node, now);
    }
  }

  private order(count: number, now: number): void {
    if (count > 0) {
      this.decisions.order(this.options.pool, count, now);
      this.coldStarts += count;
      this.paidMs -= count * now;
      this.count(count, now);
    }
  }

  private remove(name: string, now: number): void {
    this.busyMs += this.nodes.get(name)?.busyMs ?? 0;
    this.nodes.delete(name);
    this.decisions.removed(now);
    this.paidMs += now;
    this.count(-1, now);
  }

  private count(change: number, now: number): void {
    this.changed = true;
    this.machines += change;
    this.peak = Math.max(this.peak, this.machines);
    this.nodeCounts.push([now, this.machines]);
  }

  private result(): SimulationResult {
    const { waits: waitsMs, coldStarts, peak: peakNodes, paidMs, busyMs, usedMs, lastEndAt } = this;
    return { waitsMs, coldStarts, peakNodes, paidMs, busyMs, usedMs, lastEndAt, nodes: this.nodeCounts };
  }
}
