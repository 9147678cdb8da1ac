/** What a job's state at Buildkite means for its pod. */
export type JobStanding =
  /** Runnable and without an agent: it needs a pod. */
  | "runnable"
  /** An agent has it. */
  | "with-agent"
  /** Being ended; an agent that has it finds out by itself. */
  | "ending"
  /** At its end: no pod is needed any more. */
  | "over"
  /** Not runnable yet, or a state we do not know: nothing follows from it. */
  | "other";

const STANDINGS: Readonly<Record<string, JobStanding>> = {
  scheduled: "runnable",
  reserved: "runnable",
  assigned: "with-agent",
  accepted: "with-agent",
  running: "with-agent",
  canceling: "ending",
  timing_out: "ending",
  finished: "over",
  passed: "over",
  failed: "over",
  canceled: "over",
  timed_out: "over",
  expired: "over",
  skipped: "over",
  broken: "over",
};

/** Reads a state; `undefined` is a job that Buildkite did not mention. */
export function standingOf(state: string | undefined): JobStanding {
  return (state === undefined ? undefined : STANDINGS[state]) ?? "other";
}
