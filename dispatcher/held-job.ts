import type { WaitCause } from "./waiting-room";
import type { Outcome, Work } from "./work";

/** A job between its webhook and its outcome. */
export class HeldJob {
  readonly work: Work;
  /** `performance.now()` when it came. */
  readonly since: number;
  /** The latest that any of its webhooks said. */
  runnableAt: number | undefined;
  /** Of the Job that this replica made for it. */
  jobUid: string | undefined;
  /** Number of the Job to be made. */
  attempt = 1;
  /** When the last of its Jobs ended, where no other follows; milliseconds since 1970. */
  endedAt: number | undefined;
  /** Not to be made before, in milliseconds since 1970. */
  notBefore = 0;
  /** The template has to be read no earlier than this, in milliseconds since 1970; `undefined`: the watch will do. */
  freshSince: number | undefined;
  /** What Buildkite said about this job, asked for the Job of that uid; forgotten when time passes. */
  said: { uid: string; wanted: boolean } | undefined;
  #failures: { cause: WaitCause; count: number; firstAt: number } | undefined;
  /** Causes it ever waited for, in the order in which they came first. */
  readonly waited = new Set<WaitCause>();
  /** What it waits for, or waited for last. */
  waitsFor: { cause: WaitCause; why?: string } | undefined;
  /** Why it stays at Buildkite, where that is its outcome. */
  deferredBy: "cap" | "unasked" = "unasked";
  /** What the API server said last, where that was a refusal. */
  refusal: string | undefined;
  /** Whether that refusal was about the Job itself, and not about who asked. */
  refusedForGood = false;
  /** Settled with the outcome; never rejected. */
  result: Promise<Outcome> = Promise.resolve("failed");

  constructor(work: Work) {
    this.work = work;
    this.since = performance.now();
    this.runnableAt = work.runnableAt;
  }

  /** A further webhook for the same job. */
  join(work: Work): void {
    if (work.runnableAt !== undefined && work.runnableAt > (this.runnableAt ?? 0)) {
      this.runnableAt = work.runnableAt;
    }
  }

  /** Counts a failure; returns how many in a row of this cause, and for how long by now, in milliseconds. */
  fail(cause: WaitCause): { count: number; forMs: number } {
    const now = performance.now();
    const before = this.#failures?.cause === cause ? this.#failures : { cause, count: 0, firstAt: now };
    this.#failures = { ...before, count: before.count + 1 };
    return { count: before.count + 1, forMs: now - before.firstAt };
  }
}
