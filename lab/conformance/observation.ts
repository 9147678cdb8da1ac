import type { FakeJob } from "../buildkite";
import type { Mode } from "./modes";

/** One container's life, from containerd's own events; epoch milliseconds with fractions. */
export interface ContainerObservation {
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  /** How many of it there were: more than one means that it was started again. */
  readonly instances: number;
}

/** What the API server told a watcher of the pod. */
export interface PodObservation {
  readonly name: string;
  readonly uid: string;
  readonly phase: string;
  readonly reason?: string;
  readonly message?: string;
  /** When its phase became Succeeded or Failed. */
  readonly terminalAt?: number;
  /** When its deletion was asked for. */
  readonly deletionAt?: number;
  /** When the object went away. */
  readonly goneAt?: number;
  /** Reasons that containers waited for, e.g. `ErrImagePull`. */
  readonly waitingReasons: readonly string[];
}

/** What the API server told a watcher of the Job. */
export interface JobObservation {
  readonly uid: string;
  readonly result?: "Complete" | "Failed";
  readonly reason?: string;
  readonly terminalAt?: number;
  readonly goneAt?: number;
}

/** Everything that was seen of one case in one mode. */
export interface Observation {
  readonly mode: Mode;
  /** As the fake Buildkite saw it. */
  readonly buildkite: FakeJob;
  readonly agent: ContainerObservation;
  readonly dind: ContainerObservation;
  readonly pod?: PodObservation;
  readonly job?: JobObservation;
  /** When the case's blow fell: the signal, the deletion, the cancel. */
  readonly actedAt?: number;
  /** When dockerd answered its first `_ping`. */
  readonly dockerAnsweredAt?: number;
  /** When the watching ended. */
  readonly endedAt: number;
}

/** The times that the table shows, in milliseconds; undefined where one of the two moments never came. */
export interface Times {
  readonly agentEndToDindEndMs?: number;
  readonly agentEndToPodTerminalMs?: number;
  readonly agentEndToJobTerminalMs?: number;
  readonly dindStartToAgentStartMs?: number;
  readonly dockerFirstAnswerMs?: number;
  readonly actToBuildkiteKnowsMs?: number;
  readonly scheduledToFirstLogMs?: number;
}

/** Differences of an observation's moments. */
export function timesOf({ agent, dind, pod, job, buildkite, actedAt, dockerAnsweredAt }: Observation): Times {
  return {
    agentEndToDindEndMs: between(agent.endedAt, dind.endedAt),
    agentEndToPodTerminalMs: between(agent.endedAt, podEnd(pod)),
    agentEndToJobTerminalMs: between(agent.endedAt, job?.terminalAt ?? job?.goneAt),
    dindStartToAgentStartMs: between(dind.startedAt, agent.startedAt),
    dockerFirstAnswerMs: between(dind.startedAt, dockerAnsweredAt),
    // That Buildkite gave the agent up by itself is not what anybody told it.
    actToBuildkiteKnowsMs: buildkite.lostAt === undefined ? between(actedAt, buildkite.finishedAt) : undefined,
    scheduledToFirstLogMs: between(buildkite.scheduledAt, buildkite.firstLogAt),
  };
}

/** When the pod ended: by its phase, or by going away. */
export function podEnd(pod: PodObservation | undefined): number | undefined {
  return pod?.terminalAt ?? pod?.goneAt;
}

/**
 * Whether nothing more can happen: agent and dind have ended, if they began, and pod and Job with them. A pod that is
 * being deleted has ended when it is gone.
 */
export function isSettled({ agent, dind, pod, job }: Observation): boolean {
  const ended = (container: ContainerObservation): boolean =>
    container.startedAt === undefined || container.endedAt !== undefined;
  return (
    pod !== undefined &&
    ended(agent) &&
    ended(dind) &&
    (pod.deletionAt === undefined
      ? pod.terminalAt !== undefined || pod.goneAt !== undefined
      : pod.goneAt !== undefined) &&
    (job?.terminalAt ?? job?.goneAt) !== undefined
  );
}

/** How the agent's job ended in Buildkite's eyes: `0`, `3`, `-1 (agent_stop)`, `not started`, ... */
export function agentExitOf(job: FakeJob): string {
  if (job.result !== undefined) {
    const { exitStatus, signalReason } = job.result;
    return signalReason === undefined ? exitStatus : `${exitStatus} (${signalReason})`;
  }
  if (job.startedAt !== undefined) {
    return "still running";
  }
  if (job.state === "canceled") {
    return "canceled";
  }
  return job.state === "accepted" ? "taken, not started" : "not started";
}

/** The pod's last phase, and that it is gone if it is. */
export function podPhaseOf(pod: PodObservation | undefined): string {
  if (pod === undefined) {
    return "none";
  }
  return pod.goneAt === undefined ? pod.phase : `${pod.phase}, deleted`;
}

/** `Complete`, `Failed`, `deleted`, or `none` while it goes on. */
export function jobResultOf(job: JobObservation | undefined): string {
  return job?.result ?? (job?.goneAt === undefined ? "none" : "deleted");
}

function between(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : Math.round(to - from);
}
