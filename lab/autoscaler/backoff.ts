import type { Timers } from "./timers";

/** Rule 6: a pool whose nodes fail to come is left alone, ever longer; long without a failure it starts afresh. */
export class Backoff {
  private until = 0;
  private wait = 0;
  private lastFailure = Number.NEGATIVE_INFINITY;

  constructor(private readonly timers: Pick<Timers, "firstBackoff" | "longestBackoff" | "backoffReset">) {}

  /** Counts a failure at `now`, epoch milliseconds. */
  fail(now: number): void {
    const { firstBackoff, longestBackoff, backoffReset } = this.timers;
    const fresh = now - this.lastFailure >= backoffReset;
    this.wait = fresh ? firstBackoff : Math.min(this.wait * 2, longestBackoff);
    this.lastFailure = now;
    this.until = now + this.wait;
  }

  /** Whether the pool is still left alone at `now`. */
  active(now: number): boolean {
    return now < this.until;
  }

  /** When it ends, if it is active at `now`, else Infinity. */
  nextChange(now: number): number {
    return this.active(now) ? this.until : Infinity;
  }
}
