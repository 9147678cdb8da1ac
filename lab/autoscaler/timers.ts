/** Cluster-wide autoscaling profile, by GKE's names. */
export type AutoscalingProfile = "BALANCED" | "OPTIMIZE_UTILIZATION";

/** Every time and threshold of the model; milliseconds. */
export interface Timers {
  readonly scanInterval: number;
  /** A node must have been removable for so long. */
  readonly unneededTime: number;
  /** The same for a node that is not ready. */
  readonly unreadyTime: number;
  /** A node above this share of its allocatable is not looked at; a node exactly at it is. */
  readonly utilizationThreshold: number;
  /** How long a node that could not be removed is left out of the search. */
  readonly unremovableRecheck: number;
  readonly delayAfterAdd: number;
  readonly delayAfterDelete: number;
  readonly delayAfterFailure: number;
  /** Empty nodes removed in one loop. */
  readonly parallelDeletions: number;
  /** A drained pod is given at most so long. */
  readonly maxGracefulTermination: number;
  /** From the decision to a Node object. */
  readonly bootTime: number;
  /** A node not ready after so long counts as failed. */
  readonly provisionTimeout: number;
  readonly firstBackoff: number;
  readonly longestBackoff: number;
  /** Without a failure for so long the back-off starts from the beginning. */
  readonly backoffReset: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const SHARED = {
  parallelDeletions: 100,
  maxGracefulTermination: 60 * MINUTE,
  bootTime: 90 * SECOND,
  provisionTimeout: 15 * MINUTE,
  firstBackoff: 5 * MINUTE,
  longestBackoff: 30 * MINUTE,
  backoffReset: 180 * MINUTE,
} as const;

/**
 * GKE's values, as the published chart of its autoscaler has them. That managed GKE runs the same is an inference, and
 * Google reserves the right to change them: so they are parameters.
 */
export const PROFILES: Readonly<Record<AutoscalingProfile, Timers>> = {
  BALANCED: {
    ...SHARED,
    scanInterval: 10 * SECOND,
    unneededTime: 10 * MINUTE,
    unreadyTime: 20 * MINUTE,
    utilizationThreshold: 0.5,
    unremovableRecheck: 5 * MINUTE,
    delayAfterAdd: 0,
    delayAfterDelete: 10 * SECOND,
    delayAfterFailure: 3 * MINUTE,
  },
  OPTIMIZE_UTILIZATION: {
    ...SHARED,
    scanInterval: 5 * SECOND,
    unneededTime: 1 * MINUTE,
    unreadyTime: 5 * MINUTE,
    utilizationThreshold: 0.85,
    unremovableRecheck: 20 * SECOND,
    delayAfterAdd: 0,
    delayAfterDelete: 5 * SECOND,
    delayAfterFailure: 5 * SECOND,
  },
};

/** The shortest scan that this machine is asked for, however large the scale. */
const SHORTEST_SCAN = 100;

/** The same timers, `timeScale` times as fast. Thresholds and counts are no times and stay. */
export function scaled(timers: Timers, timeScale: number): Timers {
  if (!(timeScale >= 1)) {
    throw new RangeError(`timeScale must be 1 or more, got ${timeScale}`);
  }
  const { utilizationThreshold, parallelDeletions, ...times } = timers;
  const faster = Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, ms / timeScale])) as typeof times;
  return {
    ...faster,
    scanInterval: Math.max(SHORTEST_SCAN, faster.scanInterval),
    utilizationThreshold,
    parallelDeletions,
  };
}
