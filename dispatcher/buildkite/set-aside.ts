import type { Outcome } from "../work";

/** How long a job with this outcome is not tried again, in milliseconds; the list may show it as scheduled all the time. */
const REST_MS: Partial<Record<Outcome, number>> = {
  // Buildkite's list lags behind its states.
  late_repeat: 30_000,
  // What ends a refusal comes from outside: rights, a namespace or a template that is made anew.
  refused: 30_000,
  // Nothing that another try a moment later would change.
  foreign: 300_000,
  exhausted: 300_000,
  abandoned: 300_000,
  failed: 300_000,
};

const MOST = 10_000;

/** Jobs that are left alone for a while, because trying them led nowhere. Forgets the oldest beyond 10,000. */
export class SetAside {
  /** By UUID: until when, by `performance.now()`; in the order of their coming. */
  readonly #until = new Map<string, number>();

  /** Notes how a job ended. */
  decided(uuid: string, outcome: Outcome): void {
    const rest = REST_MS[outcome];
    if (rest !== undefined) {
      this.add(uuid, rest);
    }
  }

  add(uuid: string, milliseconds: number): void {
    this.#until.delete(uuid);
    this.#until.set(uuid, performance.now() + milliseconds);
    for (const oldest of this.#until.keys()) {
      if (this.#until.size <= MOST) {
        break;
      }
      this.#until.delete(oldest);
    }
  }

  has(uuid: string): boolean {
    const until = this.#until.get(uuid);
    if (until !== undefined && until <= performance.now()) {
      this.#until.delete(uuid);
      return false;
    }
    return until !== undefined;
  }
}
