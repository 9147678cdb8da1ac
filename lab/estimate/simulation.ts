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
import { PoolDecisions } from "../autoscaler";
import type { NodeState } from "../autoscaler/node";
import { nodeLabels } from "../autoscaler/pool";
import { EndQueue } from "./end-queue";
import { placesFor, podFor, type SimulatedJob } from "./pods";
import { SimulatedNode } from "./simulated-node";
import type { SimulationOptions, SimulationResult } from "./simulated-run";
import { WaitingPods } from "./waiting-pods";
import type { PodState } from "../autoscaler/pod";

export type { SimulationOptions, SimulationResult } from "./simulated-run";

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
  /** To the rules something is other than at the last loop; also before the first. */
  private changed = true;

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
    let now = start;
    let last = start - timers.scanInterval;
    let quietUntil = Infinity;
    for (;;) {
      const arrival = (jobs[next]?.runnableAt ?? Infinity) + dispatchMs;
      const event = Math.min(arrival, this.running.first);
      if (event === Infinity && this.machines === 0 && this.waiting.empty) {
        return this.result();
      }
      // A loop between now and then would find what the last one found, and decide the same.
      const idle = everyScan ? 0 : this.changed ? gridAfter(now) : quietUntil;
      const scan = Math.max(last + timers.scanInterval, idle);
      if (event < Infinity && event <= scan) {
        now = event;
        if (arrival <= event) {
          this.arrive(jobs[next], next, now);
          next += 1;
        } else {
          this.end(now);
        }
      } else if (scan < Infinity) {
        now = last = scan;
        this.scan(now);
        quietUntil = gridAfter(this.decisions.nextChange(now));
      } else {
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
    const [bound] = this.schedule(this.nodes.values(), now);
    // Who waits changes nothing while the pool is at its maximum.
    this.changed ||= bound !== undefined || this.machines < this.options.pool.maxNodes;
  }

  private end(now: number): void {
    const { node, pod } = this.running.take();
    node.end(pod.uid, now);
    this.lastEndAt = now;
    const bound = this.schedule([node], now);
    // One that asks for the same in its place: to the rules the node is as it was.
    this.changed ||= bound.length !== 1 || bound[0]?.requests !== pod.requests;
  }

  /**
   * Binds what fits; only these nodes can have got room, for whatever fitted before is bound.
   *
   * @returns what was bound.
   */
  private schedule(nodes: Iterable<SimulatedNode>, now: number): PodState[] {
    const candidates = [...nodes];
    const bound: PodState[] = [];
    this.waiting.offer((pod) => {
      let best: SimulatedNode | undefined;
      for (const node of candidates) {
        if (node.takes(pod) && (best === undefined || this.better(node, best))) {
          best = node;
        }
      }
      if (best !== undefined) {
        bound.push(pod);
        this.start({ ...pod, unschedulable: false, nodeName: best.state.name }, best, now);
      }
      return best !== undefined;
    });
    return bound;
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
