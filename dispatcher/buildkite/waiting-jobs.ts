import type { QueueRoute } from "../settings";

/** A scheduled job that has no live Job, as the list had it. */
export interface Candidate {
  readonly uuid: string;
  readonly route: QueueRoute;
  readonly pipeline: string;
  /** Higher is first. */
  readonly priority: number;
  /** Milliseconds since 1970; older is first. */
  readonly scheduledAt?: number;
}

/** Whether `a` is to run before `b`. */
export function isBefore(a: Candidate, b: Candidate): boolean {
  return compare(a, b) < 0;
}

function compare(a: Candidate, b: Candidate): number {
  return b.priority - a.priority || (a.scheduledAt ?? Infinity) - (b.scheduledAt ?? Infinity) || 0;
}

/**
 * A queue's jobs that wait for a slot, the first of them in order and of the rest the number only: however many are
 * scheduled, memory holds at most twice `most`.
 */
export class WaitingJobs {
  readonly #most: number;
  /** The first is last, where it is cheap to take. */
  #jobs: Candidate[] = [];
  #beyond = 0;
  #oldest = Infinity;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many there are, those beyond the bound among them. */
  get count(): number {
    return this.#jobs.length + this.#beyond;
  }

  /** Whether there are more, but which is not known: the list has to be read again. */
  get usedUp(): boolean {
    return this.#jobs.length === 0 && this.#beyond > 0;
  }

  /** When the oldest of all that were added was scheduled, in milliseconds since 1970; `undefined` where none waits. */
  get oldestScheduledAt(): number | undefined {
    return this.count === 0 || this.#oldest === Infinity ? undefined : this.#oldest;
  }

  add(job: Candidate): void {
    this.#oldest = Math.min(this.#oldest, job.scheduledAt ?? Infinity);
    this.#jobs.push(job);
    if (this.#jobs.length >= 2 * this.#most) {
      this.#order();
    }
  }

  /** All are there. */
  seal(): void {
    this.#order();
    this.#jobs.reverse();
  }

  /** The one to run next; only after {@link seal}. */
  first(): Candidate | undefined {
    return this.#jobs.at(-1);
  }

  /** Takes that one out. */
  take(): void {
    this.#jobs.pop();
  }

  #order(): void {
    // Stable: jobs of one time keep the list's order, which is Buildkite's.
    this.#jobs.sort(compare);
    this.#beyond += Math.max(this.#jobs.length - this.#most, 0);
    this.#jobs.length = Math.min(this.#jobs.length, this.#most);
  }
}
