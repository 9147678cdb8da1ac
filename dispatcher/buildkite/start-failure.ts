import type { ContainerStatus, KubernetesEvent, Pod } from "../kubernetes/objects";

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

/**
 * Reads a pod; `undefined` where nothing says that it will not start. A pod without a node has no fault at all, and how a
 * container ended is not looked at: it has started.
 */
export function startFailureOf({ status }: Pod): StartFailure | undefined {
  for (const container of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const failure = failureOf(container);
    if (failure !== undefined) {
      return failure;
    }
  }
  return undefined;
}

/** The failure's words, with what the newest event of the failed pull or start adds to them. */
export function withEvents({ words }: StartFailure, newestFirst: readonly KubernetesEvent[]): string {
  const said = newestFirst
    .filter(({ reason, message = "" }) => reason === "Failed" && !/^Error: \w+$/.test(message))
    .map(({ message = "" }) => message.slice(0, 1000))
    .find((message) => message !== "");
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
