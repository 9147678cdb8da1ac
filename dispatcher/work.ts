import type { BuildkiteJob } from "../components/stamp";
import type { QueueRoute } from "./settings";

/** A scheduled job that a served queue takes. However it came to be known, this is what is dispatched. */
export interface Work {
  readonly job: BuildkiteJob;
  readonly route: QueueRoute;
  /** When Buildkite last made it runnable, in milliseconds since 1970. */
  readonly runnableAt?: number;
  /** When we heard of it, by `performance.now()`. */
  readonly arrivedAt: number;
  readonly source: "webhook" | "reconcile";
}

/** How it ended. */
export type Outcome =
  /** Its first Job was made. */
  | "created"
  /** A further Job was made, after an earlier one had finished. */
  | "replaced"
  /** It has a live Job. */
  | "exists"
  /** Its Job has finished and nothing says that it is to run again. */
  | "late_repeat"
  /** It stays scheduled at Buildkite, where the reconcile loop finds it. */
  | "deferred"
  /** Somebody else's Job has the name. */
  | "foreign"
  /** Its last attempt has finished. */
  | "exhausted"
  /** The API server refuses the Job. */
  | "refused"
  /** The API server, or a Job on its way out, kept it waiting for too long. */
  | "abandoned"
  /** The process had to end first. */
  | "lost"
  /** A fault of ours. */
  | "failed";

/** Outcomes after which there is a Job. */
export const JOB_EXISTS: ReadonlySet<Outcome> = new Set(["created", "replaced", "exists", "late_repeat", "exhausted"]);
