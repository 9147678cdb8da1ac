import { AGENT_CONTAINER, JOB_TOKEN_CONTAINER } from "../../components/contract";
import { kubernetesTime, type ContainerStatus, type Pod, type PodStatus } from "../kubelet/pod";

/** How the agent's container ended. */
export interface AgentEnd {
  readonly exitCode: number;
  /** Epoch milliseconds. */
  readonly finishedAt: number;
}

/** Status of a pod whose agent has ended while its sidecar is being stopped. */
export function agentEndedStatus(pod: Pod, end: AgentEnd): Partial<PodStatus> {
  const others = (pod.status?.containerStatuses ?? []).filter(({ name }) => name !== AGENT_CONTAINER);
  return {
    conditions: notReady("ContainersNotReady"),
    containerStatuses: [...others, ...agentStatus(pod, end)],
  };
}

/**
 * Status of a pod in which nothing runs any more, as a kubelet leaves it: the agent with its exit code, the docker
 * daemon ended with 0 a moment later, the phase by the main containers alone (a native sidecar does not count).
 */
export function endedStatus(
  pod: Pod,
  end: AgentEnd,
  more: { reason?: string; message?: string } = {},
): Partial<PodStatus> {
  const phase = end.exitCode === 0 && more.reason === undefined ? "Succeeded" : "Failed";
  const now = Date.now();
  const others = (pod.status?.containerStatuses ?? []).filter(({ name }) => name !== AGENT_CONTAINER);
  return {
    phase,
    ...more,
    conditions: notReady(phase === "Succeeded" ? "PodCompleted" : "PodFailed"),
    containerStatuses: [...others.map((status) => terminated(status, 0, now)), ...agentStatus(pod, end)],
    initContainerStatuses: (pod.status?.initContainerStatuses ?? []).map((status) => terminated(status, 0, now)),
  };
}

/** Status of a pod whose init container has failed: no other container was started, and none will be. */
export function initFailedStatus(pod: Pod): Partial<PodStatus> {
  const status = { ...blank(pod), name: JOB_TOKEN_CONTAINER };
  return {
    phase: "Failed",
    conditions: notReady("PodFailed"),
    initContainerStatuses: [terminated(status, 1, Date.now())],
  };
}

/** Status of a pod whose agent's container cannot be made, in the kubelet's words. */
export function configErrorStatus(pod: Pod, message: string): Partial<PodStatus> {
  const others = (pod.status?.containerStatuses ?? []).filter(({ name }) => name !== AGENT_CONTAINER);
  const waiting = { waiting: { reason: "CreateContainerConfigError", message } };
  return {
    phase: "Pending",
    conditions: notReady("ContainersNotReady"),
    containerStatuses: [...others, { ...blank(pod), ready: false, started: false, state: waiting }],
  };
}

/** Status once that is mended. */
export function startedStatus(pod: Pod): Partial<PodStatus> {
  const others = (pod.status?.containerStatuses ?? []).filter(({ name }) => name !== AGENT_CONTAINER);
  const running = { running: { startedAt: kubernetesTime(Date.now()) } };
  return {
    phase: "Running",
    conditions: [
      { type: "Ready", status: "True" },
      { type: "ContainersReady", status: "True" },
    ],
    containerStatuses: [...others, { ...blank(pod), ready: true, started: true, state: running }],
  };
}

function agentStatus(pod: Pod, end: AgentEnd): ContainerStatus[] {
  const status = pod.status?.containerStatuses?.find(({ name }) => name === AGENT_CONTAINER) ?? blank(pod);
  return [terminated(status, end.exitCode, end.finishedAt)];
}

function terminated(status: ContainerStatus, exitCode: number, at: number): ContainerStatus {
  if (status.state?.terminated !== undefined) {
    return status;
  }
  const startedAt = status.state?.running?.startedAt ?? kubernetesTime(at);
  const state = {
    terminated: {
      exitCode,
      reason: exitCode === 0 ? "Completed" : "Error",
      startedAt,
      finishedAt: kubernetesTime(at),
    },
  };
  return { ...status, ready: false, started: false, state };
}

function blank(pod: Pod): ContainerStatus {
  const image = pod.spec.containers.find(({ name }) => name === AGENT_CONTAINER)?.image ?? "";
  return { name: AGENT_CONTAINER, image, imageID: image, restartCount: 0 };
}

function notReady(reason: string): PodStatus["conditions"] {
  return ["Ready", "ContainersReady"].map((type) => ({ type, status: "False", reason }));
}
