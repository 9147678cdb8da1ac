/** What a held job waits for. */
export type WaitCause = "quota" | "refusal" | "api_server" | "name" | "ending" | "attempt";

interface Waiter {
  readonly cause: WaitCause;
  readonly name: string;
  readonly wake: () => void;
}

/** Where held jobs wait: each until its time is up or until something happens that may have ended its cause. */
export class WaitingRoom {
  readonly #waiters = new Set<Waiter>();
  #hurried = false;

  /**
   * Waits.
   *
   * @param cause what for.
   * @param name of the Job.
   * @param milliseconds at the most; once {@link hurry} was called, a second at the most.
   */
  wait(cause: WaitCause, name: string, milliseconds: number): Promise<void> {
    const longest = this.#hurried ? Math.min(milliseconds, 1000) : milliseconds;
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve();
      };
      const timer = setTimeout(wake, longest);
      const waiter: Waiter = { cause, name, wake };
      this.#waiters.add(waiter);
    });
  }

  /** A Job is gone: whoever waits for its name goes on, and one of those that wait for room in the quota. */
  onJobGone(name: string): void {
    let roomTaken = false;
    for (const waiter of [...this.#waiters]) {
      if (waiter.name === name && (waiter.cause === "name" || waiter.cause === "ending")) {
        waiter.wake();
      } else if (waiter.cause === "quota" && !roomTaken) {
        roomTaken = true;
        waiter.wake();
      }
    }
  }

  /** A Job has changed: whoever waits for its end looks again. */
  onJobFinished(name: string): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.name === name && waiter.cause === "ending") {
        waiter.wake();
      }
    }
  }

  /** The process is to end: nobody waits longer than a second from now on. */
  hurry(): void {
    this.#hurried = true;
    this.wakeAll();
  }

  wakeAll(): void {
    for (const waiter of [...this.#waiters]) {
      waiter.wake();
    }
  }

  /** How many wait for what. */
  counts(): Map<WaitCause, number> {
    const counts = new Map<WaitCause, number>();
    for (const { cause } of this.#waiters) {
      counts.set(cause, (counts.get(cause) ?? 0) + 1);
    }
    return counts;
  }
}
