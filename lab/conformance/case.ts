import type { DindJobTemplateArgs } from "../../components/dind-job-template-args";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { BuildRequest, FakeBuildkite, FakeJob } from "../buildkite";
import type { RealNode } from "../real-node";
import type { Expected } from "./expected";
import type { Mode } from "./modes";
import type { JobObservation, Observation, PodObservation } from "./observation";

/** What differs from the ordinary template; queue, token and node are set for every case by itself. */
export type TemplateChanges = Partial<
  Pick<
    DindJobTemplateArgs,
    | "agentImage"
    | "agentMode"
    | "dindImage"
    | "dockerGraphSizeLimit"
    | "env"
    | "jobAcquisitionTokens"
    | "resources"
    | "terminationGracePeriodSeconds"
    | "timeoutSeconds"
    | "volumes"
  >
>;

/** One case in one mode while it runs: what a case may look at and do. Every wait is bounded and ends with the run. */
export interface CaseRun {
  readonly mode: Mode;
  readonly client: KubernetesClient;
  readonly namespace: string;
  readonly node: RealNode;
  readonly buildkite: FakeBuildkite;
  /** The job at Buildkite. */
  readonly build: FakeJob;
  /** Of the Kubernetes Job. */
  readonly jobName: string;
  readonly signal: AbortSignal;
  /** Remarkable things for the table's note. */
  readonly notes: string[];
  /** What is not as it must be, beyond what {@link Expected} covers. */
  readonly faults: string[];
  pod(): PodObservation | undefined;
  job(): JobObservation | undefined;
  observe(): Observation;
  /** The build's log so far. */
  log(): string;
  /** What a container of the pod has printed, as the kubelet keeps it; empty once that is removed. */
  containerLog(container: string): Promise<string>;
  /** @throws naming what was waited for, after that many seconds. */
  until(what: string, seconds: number, condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Waits until the build's log has a line that begins so. */
  untilLogged(text: string, seconds?: number): Promise<void>;
  /** Notes that the blow falls now. */
  act(): void;
  /** Does `work` once for all modes of this case, when all of them have come here or failed before. */
  together(work: () => Promise<void>): Promise<void>;
}

/** What the post's pod does instead of what the contract wants. */
export interface Documented extends Expected {
  /** Each of these faults must show, and no other. */
  readonly faults?: readonly RegExp[];
  /** Why it behaves so, in one sentence. */
  readonly because: string;
}

/** A way for a build's pod to end, or something that must hold while it runs. */
export interface ConformanceCase {
  readonly name: string;
  /** Its node is disturbed for all pods on it: it gets another node than the rest. */
  readonly disturbs?: boolean;
  /** Its times are published: it runs alone when runs are repeated. */
  readonly measured?: boolean;
  readonly template?: (mode: Mode) => TemplateChanges;
  /** Default: a command that says `begun` and ends well. */
  readonly build?: (mode: Mode, run: { readonly repository: string }) => Partial<BuildRequest>;
  /** Roughly how long its longest mode takes, in seconds: the long ones begin first. Default 20. */
  readonly longest?: number;
  /** Before the Job is created. */
  readonly prepare?: (run: CaseRun) => Promise<void> | void;
  /** Once the Job is created: what happens to it. */
  readonly blow?: (run: CaseRun) => Promise<void>;
  /** When nothing more can happen, while the pod's object is still there where it was not deleted. */
  readonly look?: (run: CaseRun, seen: Observation) => Promise<void> | void;
  /** How long it may take to end by itself after the blow, in seconds; default 150. */
  readonly patience?: number;
  /** How long the post's pod is watched after its agent has gone, in seconds; default 15. */
  readonly postWindow?: number;
  /** What the contract wants. */
  readonly expected: (mode: Mode) => Expected;
  /** What the post's pod does; default: what the contract wants. */
  readonly documented?: Documented;
}

/** Says when it runs, and goes on until it is stopped. */
export const ENDLESS = "echo begun; sleep 600";
