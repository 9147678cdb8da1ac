import type { Timers } from "../autoscaler";
import type { PoolSpec } from "../autoscaler/pool";
import type { SimulatedJob } from "./pods";

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
