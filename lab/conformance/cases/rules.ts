import type { Expected } from "../expected";
import type { Mode } from "../modes";

/**
 * Bounds, in milliseconds, for a busy machine with several pods at one time: what is broken misses them by far. The aims
 * are tighter, and are held against medians of cases that run alone.
 */
export const DIND_ENDS: Readonly<Record<Mode, number>> = { post: 4_000, "shared-volume": 3_000, native: 6_000 };
export const POD_ENDS = 9_000;
export const JOB_ENDS = 12_000;
/** From the pod's deletion, or a signal, to Buildkite. */
export const BUILDKITE_KNOWS = 5_000;

/** dind ends soon after the agent, with code 0, and the pod with it. */
export function dindEnds(mode: Mode): Expected {
  return { dindCode: 0, dindEnd: DIND_ENDS[mode], podEnd: POD_ENDS };
}

/** The agent ended by itself: its exit code is its own, and the pod's. */
export const ENDED_WELL: Expected = { agentCode: 0, podPhase: "Succeeded", jobResult: "Complete", jobEnd: JOB_ENDS };

/** The agent's container was killed. */
export const KILLED: Expected = { agentCode: 137, podPhase: "Failed", jobResult: "Failed", jobEnd: JOB_ENDS };
