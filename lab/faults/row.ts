import type { SystemSetting } from "./setting";
import type { FaultSystem } from "./system";

/** One fault: what is done to a running system. */
export interface FaultRow {
  /** `<part>: <what>`; `--only` selects by a piece of it. */
  readonly name: string;
  /** What exactly is done, for the reader of the results. */
  readonly note: string;
  /** What the fault's long waits, and agents' own, are divided by; 1: nothing is shortened. */
  readonly timeScale: number;
  /** What is other than usual in the system it runs in. */
  readonly setting?: SystemSetting;
  /** Whether the fault itself ends builds that run; else a build that fails is a complaint. */
  readonly killsBuilds?: boolean;
  /** A row that hangs ends with this; default 360. */
  readonly limitSeconds?: number;
  /**
   * Schedules the builds and does its harm; returns when all of it is done and nothing is wrong any more, apart from what it
   * broke. What it returns is when that was (epoch milliseconds): jobs are healed from then on. Undefined: each job from its
   * own scheduling on.
   */
  harm(system: FaultSystem, builds: number): Promise<number | undefined>;
}

/** How a fault ended: a row of `out/faults.json`. */
export interface FaultResult {
  readonly fault: string;
  readonly scheduled: number;
  /** Started once and over, also where the fault killed it: then it failed with a reason. */
  readonly ranOnce: number;
  /** Canceled before they were started. */
  readonly canceled: number;
  /** Ended at Buildkite by the dispatcher, with the cause, without having been started; 0 but where the row is about that. */
  readonly givenUp: number;
  /** Neither over at Buildkite, nor with a live Job, nor scheduled at Buildkite. */
  readonly lost: number;
  readonly twice: number;
  /** Jobs that had two pods that had not ended at one time, seen by a watch of its own. */
  readonly overlappingPods: number;
  /** Pods whose agent was refused its job. */
  readonly wastedPods: number;
  /**
   * Longest time until a job had its Kubernetes Job, the last one where it needed several, from the end of the fault or its own scheduling, whichever was later;
   * null: one that was not canceled never had any.
   */
  readonly healedSeconds: number | null;
  /** Most memory that one dispatcher process ever had. */
  readonly peakMiB: number;
  readonly timeScale: number;
  /** What was done, and what the row measured by itself. */
  readonly note: string;
  /** Calls of the Stacks API, all replicas together. */
  readonly buildkiteCalls: number;
  /** How long the row took, from the first build to the last. */
  readonly seconds: number;
  /** What is wrong, in words; empty: the row holds. */
  readonly complaints: readonly string[];
}
