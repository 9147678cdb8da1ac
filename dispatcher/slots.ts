/**
 * The bound on live Jobs at the moment of each create. When a job was taken there was a slot for it, but with two replicas
 * the other's Jobs may have filled it while this one waited for its turn.
 */
export class Slots {
  #creating = 0;
  readonly #most: number;
  readonly #live: () => number;

  /**
   * @param most live Jobs there may be; Infinity for no bound.
   * @param live Jobs there are, as far as is known now.
   */
  constructor(most: number, live: () => number) {
    this.#most = most;
    this.#live = live;
  }

  /** Creates a Job where there is a slot for it; `undefined` where there is none, and nothing was done. */
  async use<T>(create: () => Promise<T>): Promise<{ made: T } | undefined> {
    if (this.#live() + this.#creating >= this.#most) {
      return undefined;
    }
    this.#creating++;
    try {
      return { made: await create() };
    } finally {
      this.#creating--;
    }
  }
}
