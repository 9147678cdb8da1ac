import type { NodeNow } from "../record";
import type { Sample } from "../report";

/** Everything that the view shows, at one moment. */
export interface LiveState {
  /** Seconds since the run began. */
  readonly elapsed: number;
  /** Steps under way, oldest first. */
  readonly steps: readonly { readonly name: string; readonly seconds: number }[];
  /** What was said lately, oldest first. */
  readonly said: readonly string[];
  /** Undefined before there is a cluster to look at. */
  readonly system?: LiveSystem;
}

/** What goes on in the system. */
export interface LiveSystem {
  readonly nodes: readonly NodeNow[];
  /** Machines that were ordered and are no nodes yet. */
  readonly booting: number;
  readonly maxNodes: number;
  readonly jobs: LiveJobs;
  /** Epoch milliseconds: the end of the time line. */
  readonly now: number;
  readonly samples: readonly Sample[];
}

/** Builds by where they are. Together they are all that were scheduled. */
export interface LiveJobs {
  /** No pod of theirs has a node. */
  readonly waiting: number;
  /** Their pod has a node, and no command runs yet. */
  readonly starting: number;
  readonly running: number;
  readonly finished: number;
}
