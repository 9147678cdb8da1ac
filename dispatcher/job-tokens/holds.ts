/** Counts by key, of the newest keys only: memory is bounded whoever calls. */
export class Counts {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): void {
    const count = this.get(key) + 1;
    this.#counts.delete(key);
    this.#counts.set(key, count);
    forgetOldest(this.#counts, this.#most);
  }

  /** One of those added was none. */
  takeBack(key: string): void {
    if (this.#counts.has(key)) {
      this.#counts.set(key, this.get(key) - 1);
    }
  }
}

/** Addresses that are not listened to for a while. */
export class Holds {
  readonly #until = new Map<string, number>();
  readonly #milliseconds: number;
  readonly #most: number;

  /** @param most addresses remembered. */
  constructor(milliseconds: number, most: number) {
    this.#milliseconds = milliseconds;
    this.#most = most;
  }

  has(address: string): boolean {
    return (this.#until.get(address) ?? 0) > performance.now();
  }

  add(address: string): void {
    this.#until.delete(address);
    this.#until.set(address, performance.now() + this.#milliseconds);
    forgetOldest(this.#until, this.#most);
  }
}

function forgetOldest(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) {
      return;
    }
    map.delete(key);
  }
}
