import { AGENT_CONTAINER, DIND_CONTAINER, jobName } from "../../components/contract";
import type { FakeJob } from "../buildkite";
import type { PodWatch } from "../conformance/pod-watch";
import type { RealNode } from "../real-node";
import { madeJob } from "../webhook-answer";
import type { RealBuild } from "./results";
import type { RealSystem } from "./system";

/** The queues of the committed Pulumi.dev.yaml, and how dind ends in each of them here: both ways, the one stack. */
export const REAL_QUEUES = [
  { key: "default", sidecar: "native" },
  { key: "docker", sidecar: "shared-volume" },
  { key: "quick", sidecar: "native" },
] as const;

/** A scheduled build and what it must end with. */
export interface ScheduledBuild {
  readonly job: FakeJob;
  readonly sidecar: RealBuild["sidecar"];
  readonly expectedExitStatus: string;
}

/**
 * Schedules the build of that index, of the queue whose turn it is: clone, `docker build`, `docker run` with the checkout
 * mounted, a network; every third ends with 3.
 */
export function scheduleRealBuild({ buildkite, git, commit }: RealSystem, index: number): ScheduledBuild {
  const { key, sidecar } = REAL_QUEUES[index % REAL_QUEUES.length] ?? REAL_QUEUES[0];
  const expectedExitStatus = index % 3 === 2 ? "3" : "0";
  const job = buildkite.schedule({
    queue: key,
    seconds: 1,
    ...{ repository: git.urlOf("web"), commit, branch: "main", command: `sh build.sh ${expectedExitStatus}` },
    ...(key === "docker" ? { agentQueryRules: ["docker=true"] } : {}),
  });
  return { job, sidecar, expectedExitStatus };
}

/** What was seen of one build, by Buildkite, the API server and containerd. */
export function readBuild(build: ScheduledBuild, watch: PodWatch, node: RealNode): RealBuild {
  const { job, sidecar, expectedExitStatus } = build;
  const pod = watch.podOf(jobName(job.id));
  const times = (container: string) => (pod === undefined ? undefined : node.containers.of(pod.uid, container));
  const [agent, dind] = [times(AGENT_CONTAINER), times(DIND_CONTAINER)];
  const webhook = job.webhooks.find(madeJob);
  return {
    ...{ queue: job.queue, sidecar, expectedExitStatus },
    exitStatus: job.result?.exitStatus,
    podPhase: pod?.phase,
    jobResult: watch.jobOf(jobName(job.id))?.result,
    webhookToJobMs: between(webhook?.sentAt, webhook?.answeredAt),
    scheduledToFirstLogMs: between(job.scheduledAt, job.firstLogAt),
    dindStartToAgentStartMs: between(dind?.startedAt, agent?.startedAt),
    agentEndToDindEndMs: between(agent?.endedAt, dind?.endedAt),
    agentEndToPodTerminalMs: between(agent?.endedAt, pod?.terminalAt),
  };
}

function between(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : Math.round(to - from);
}
