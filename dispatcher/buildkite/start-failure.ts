import type { ContainerStatus, KubernetesEvent, Pod } from "../kubernetes/objects";
import { hasAgentStarted } from "./agent-started";

/** Why a pod that has its node does not start. */
export interface StartFailure {
  /** The kubelet's word; one of a bounded set, so that it can label a metric. */
  readonly reason: string;
  /** No wait heals it. */
  readonly final: boolean;
  /** For the person who looks at the build. */
  readonly words: string;
}

const IMAGE_REASONS = new Set(["ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "ImageInspectError"]);
const OTHER_REASONS = new Set([
  "CreateContainerError",
  "CreateContainerConfigError",
  "PreCreateHookError",
  "PreStartHookError",
]);
/** Of a container that the kubelet starts anew whenever it ends: dind, where it is a native sidecar. */
const CRASH_LOOP = "CrashLoopBackOff";

/**
 * Reads a pod; `undefined` where nothing says that it will not start. A pod without a node has no fault at all, and how a
 * container ended is not looked at: it has started. Only one that ends again and again keeps the agent from that.
 */
export function startFailureOf(pod: Pod): StartFailure | undefined {
  const { initContainerStatuses, containerStatuses } = pod.status ?? {};
  for (const container of [...(initContainerStatuses ?? []), ...(containerStatuses ?? [])]) {
    const failure = failureOf(container);
    if (failure !== undefined) {
      return failure;
    }
  }
  const looping = (initContainerStatuses ?? []).find(({ state }) => state?.waiting?.reason === CRASH_LOOP);
  return looping === undefined || hasAgentStarted(pod) ? undefined : crashLoopOf(looping);
}

/**
 * Whether an init container has ended before and is not up again. One that ends again and again comes by here between its
 * waits, for a moment or for as long as its startup probe lets it try: it may have come up, or be about to end once more.
 */
export function isBetweenCrashes({ status }: Pod): boolean {
  return (status?.initContainerStatuses ?? []).some(
    ({ started, lastState }) => started !== true && lastState?.terminated !== undefined,
  );
}

/** The failure's words, with what the newest event of the failed pull or start adds to them. */
export function withEvents({ reason: cause, words }: StartFailure, newestFirst: readonly KubernetesEvent[]): string {
  const said = newestFirst
    .filter(({ reason, message = "" }) => reason === "Failed" && !/^Error: \w+$/.test(message))
    .map(({ message = "" }) => message.slice(0, 1000))
    // What has run has its image: a pull that failed was an earlier one.
    .find((message) => message !== "" && !(cause === CRASH_LOOP && message.startsWith("Failed to pull image")));
  return said === undefined || words.includes(said) ? words : `${words}. The node says: ${said}`;
}

function failureOf({ name, image, state }: ContainerStatus): StartFailure | undefined {
  const { reason = "", message = "" } = state?.waiting ?? {};
  const said = message === "" ? "" : `: ${message.slice(0, 1000)}`;
  const which = `image ${image ?? "?"} of its container "${name}"`;
  if (reason === "InvalidImageName") {
    return { reason, final: true, words: `The build's pod cannot start: ${which} has no valid name${said}` };
  }
  if (IMAGE_REASONS.has(reason)) {
    return {
      reason,
      final: false,
      words: `The build's pod cannot start: ${which} cannot be pulled (${reason})${said}`,
    };
  }
  if (OTHER_REASONS.has(reason)) {
    const words = `The build's pod cannot start: its container "${name}" cannot be created (${reason})${said}`;
    return { reason, final: false, words };
  }
  return undefined;
}

/** Nothing of what the container wrote: a build's page is not where its log belongs. */
function crashLoopOf({ name, lastState }: ContainerStatus): StartFailure {
  const { exitCode, reason } = lastState?.terminated ?? {};
  const last = exitCode === undefined ? "" : `, the last time with exit code ${exitCode} (${reason ?? "no reason"})`;
  const words = `The build's pod cannot start: its container "${name}" ends again and again before the agent can start`;
  return { reason: CRASH_LOOP, final: false, words: `${words} (${CRASH_LOOP})${last}` };
}
