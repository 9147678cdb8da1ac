import { kubernetesTime, type ContainerStatus, type Pod, type PodStatus } from "../kubelet/pod";

/** What is known of a dispatcher pod's one container. */
export type ContainerState =
  | { readonly kind: "waiting"; readonly reason: string; readonly message?: string }
  | { readonly kind: "running"; readonly startedAt: number }
  | { readonly kind: "terminated"; readonly exitCode: number; readonly startedAt: number; readonly finishedAt: number };

/** What the status is made from. */
export interface Observed {
  readonly ip: string;
  readonly startedAt: number;
  readonly state: ContainerState;
  readonly last: Extract<ContainerState, { kind: "terminated" }> | undefined;
  readonly ready: boolean;
  readonly restarts: number;
  /** The pod ends: a container that is over stays so. */
  readonly final: boolean;
}

/** The pod's status, as a kubelet reports it. */
export function statusOf(pod: Pod, observed: Observed): Partial<PodStatus> {
  const container = pod.spec.containers[0];
  const { state, last, ready, restarts, ip, startedAt, final } = observed;
  const status: ContainerStatus & { lastState?: unknown } = {
    name: container?.name ?? "",
    image: container?.image ?? "",
    imageID: container?.image ?? "",
    restartCount: restarts,
    ready,
    started: state.kind === "running",
    state: stateOf(state),
    ...(last === undefined ? {} : { lastState: stateOf(last) }),
  };
  const condition = (type: string, good: boolean): { type: string; status: string } => ({
    type,
    status: good ? "True" : "False",
  });
  const begun = state.kind !== "waiting" || restarts > 0;
  const phase = final && state.kind === "terminated" ? (state.exitCode === 0 ? "Succeeded" : "Failed") : undefined;
  return {
    phase: phase ?? (begun ? "Running" : "Pending"),
    startTime: kubernetesTime(startedAt),
    podIP: ip,
    conditions: [
      condition("PodReadyToStartContainers", !final),
      condition("Initialized", true),
      condition("ContainersReady", ready),
      condition("Ready", ready),
    ],
    containerStatuses: [status],
  };
}

function stateOf(state: ContainerState): ContainerStatus["state"] {
  if (state.kind === "waiting") {
    return { waiting: { reason: state.reason, ...(state.message === undefined ? {} : { message: state.message }) } };
  }
  if (state.kind === "running") {
    return { running: { startedAt: kubernetesTime(state.startedAt) } };
  }
  const { exitCode, startedAt, finishedAt } = state;
  const reason = exitCode === 0 ? "Completed" : "Error";
  const times = { startedAt: kubernetesTime(startedAt), finishedAt: kubernetesTime(finishedAt) };
  return { terminated: { exitCode, reason, ...times } };
}
