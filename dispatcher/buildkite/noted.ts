const MOST = 10_000;

/** What was said already. Forgets the oldest beyond 10,000. */
export class Noted {
  /** In the order of their coming. */
  readonly #keys = new Set<string>();

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    this.#keys.add(key);
    for (const oldest of this.#keys) {
      if (this.#keys.size <= MOST) {
        break;
      }
      this.#keys.delete(oldest);
    }
  }
}
