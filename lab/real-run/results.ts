import type { Phase } from "../phases";
import type { PartResult } from "../results";

/** One real build, as everybody saw it. Times in milliseconds, rounded. */
export interface RealBuild {
  readonly queue: string;
  readonly sidecar: "native" | "shared-volume";
  /** How Buildkite saw the job end, e.g. `"0"`. */
  readonly exitStatus?: string;
  readonly expectedExitStatus: string;
  readonly podPhase?: string;
  readonly jobResult?: string;
  /** From the webhook's sending to its 200: the Job exists. */
  readonly webhookToJobMs?: number;
  /** From scheduled at Buildkite to the first line of the build's log. */
  readonly scheduledToFirstLogMs?: number;
  readonly dindStartToAgentStartMs?: number;
  readonly agentEndToDindEndMs?: number;
  readonly agentEndToPodTerminalMs?: number;
}

/** A build that the dispatcher gave up, as Buildkite heard it. */
export interface GivenUpBuild {
  readonly queue: string;
  /** What Buildkite was told. */
  readonly words: string;
  readonly scheduledToGivenUpSeconds: number;
}

/** What a process of a dispatcher's pod is, read from the kernel. */
export interface DispatcherProcess {
  readonly pod: string;
  readonly user: number;
  readonly capabilities: string;
  readonly noNewPrivileges: boolean;
  /** 2: a filter is in force. */
  readonly seccomp: number;
  readonly rootReadOnly: boolean;
}

/** What out/real-node.json holds; what was not reached is missing. */
export interface RealNodeResults {
  readonly ok: boolean;
  /** Which control groups the machine has: memory limits are proven for that version only. */
  readonly cgroup: "v1" | "v2";
  readonly builds: readonly RealBuild[];
  /** Of the queue whose dind cannot start. */
  readonly givenUp?: GivenUpBuild;
  readonly dispatchers: readonly DispatcherProcess[];
  readonly failures: readonly string[];
  readonly leftovers: readonly string[];
  readonly phases: readonly Phase[];
  readonly seconds: number;
  readonly parts: readonly PartResult[];
  /** What such a run does not prove, one sentence each. */
  readonly unproven: readonly string[];
}

/** See {@link RealNodeResults.unproven}. */
export const REAL_NODE_UNPROVEN = [
  "How long Google's machines take, and that its autoscaler adds one: the node is started by the lab when a pod waits.",
  "Network policies: nothing enforces them here. DNS: there is none. Image pulls: the images are there already.",
  "Other control groups than this machine's version, GKE's own image of a node, and machines with more than its cores.",
  "Buildkite's own server and Pulumi's published provider plugins: both are stand-ins, as in the lab without this option.",
] as const;
