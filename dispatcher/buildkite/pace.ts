import { setTimeout as sleep } from "node:timers/promises";

/**
 * Spaces the calls of one kind: a bucket of one token. Buildkite counts in a sliding second, so that a burst which an
 * average allows would be refused.
 */
export class Pace {
  readonly #intervalMs: number;
  /** By `performance.now()`. */
  #next = 0;
  #heldUntil = 0;

  /** @param perSecond calls, on average and in any second (rounded up). */
  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  /** Waits for the caller's turn. @throws AbortError. */
  async take(signal: AbortSignal): Promise<void> {
    do {
      const now = performance.now();
      const turn = Math.max(now, this.#next);
      this.#next = turn + this.#intervalMs;
      if (turn > now) {
        await sleep(turn - now, undefined, { signal });
      } else {
        signal.throwIfAborted();
      }
      // Who waited for a turn may find that nobody has one by now.
    } while (performance.now() < this.#heldUntil);
  }

  /** Nobody gets a turn before that. */
  holdOff(milliseconds: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, performance.now() + milliseconds);
    this.#next = Math.max(this.#next, this.#heldUntil);
  }
}
