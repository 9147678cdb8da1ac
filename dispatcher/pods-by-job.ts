import type { ChangeKind } from "./kubernetes/informer";

interface PodOfJob {
  readonly jobUuid: string;
}

/** Which Buildkite jobs have pods, ended ones too, as a watch tells it: reason to look, never to decide. */
export class PodsByJob {
  readonly #counts = new Map<string, number>();

  has(jobUuid: string): boolean {
    return this.#counts.has(jobUuid);
  }

  /** To be told of every change, as an informer tells it. */
  readonly onChange = (kind: ChangeKind, pod: PodOfJob, previous: PodOfJob | undefined): void => {
    if (previous !== undefined) {
      this.#count(previous.jobUuid, -1);
    }
    if (kind !== "deleted") {
      this.#count(pod.jobUuid, 1);
    }
  };

  #count(jobUuid: string, change: 1 | -1): void {
    const count = (this.#counts.get(jobUuid) ?? 0) + change;
    if (count > 0) {
      this.#counts.set(jobUuid, count);
    } else {
      this.#counts.delete(jobUuid);
    }
  }
}
