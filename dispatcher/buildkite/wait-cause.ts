import type { KubernetesEvent } from "../kubernetes/objects";

/** Why a build's pod is waited for. */
export interface WaitCause {
  /** The event's reason, or `quota`; one of a bounded set. */
  readonly cause: string;
  /** What Kubernetes says of it. */
  readonly said: string;
}

/** What a pod without a node may hear: the autoscaler knows more than the scheduler, so its word is taken first. */
const AUTOSCALER = new Set(["TriggeredScaleUp", "NotTriggerScaleUp", "FailedToScaleUpGroup"]);
const SCHEDULER = new Set(["FailedScheduling"]);
/** What a pod that has its node may hear before its containers start. */
const NODE = new Set(["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "NetworkNotReady"]);
const LONGEST_NOTE = 255;

/** Reads the events of a pod that waits, the newest first; `undefined` where none says why. */
export function waitCauseOf(newestFirst: readonly KubernetesEvent[], hasNode: boolean): WaitCause | undefined {
  for (const reasons of hasNode ? [NODE] : [AUTOSCALER, SCHEDULER]) {
    const event = newestFirst.find(({ reason = "" }) => reasons.has(reason));
    if (event !== undefined) {
      return { cause: event.reason ?? "", said: event.message ?? "" };
    }
  }
  return undefined;
}

/** A note beside the job, short enough for Buildkite: that it waits, for how long, and why. Never that it has failed. */
export function waitingNote({ cause, said }: WaitCause, seconds: number): string {
  const minutes = Math.max(Math.round(seconds / 60), 1);
  const why = WORDS[cause] ?? `${cause}:`;
  const note = `Waiting for its pod for ${minutes} min, and goes on. ${why} ${said.replace(/\s+/g, " ")}`.trim();
  const letters = Array.from(note);
  return letters.length <= LONGEST_NOTE ? note : `${letters.slice(0, LONGEST_NOTE - 1).join("")}…`;
}

const WORDS: Readonly<Record<string, string>> = {
  TriggeredScaleUp: "A node was asked for (TriggeredScaleUp):",
  NotTriggerScaleUp: "No node is added now (NotTriggerScaleUp):",
  FailedToScaleUpGroup: "A node could not be added (FailedToScaleUpGroup):",
  FailedScheduling: "No node has room (FailedScheduling):",
  quota: "The quota of its namespace is full:",
};
