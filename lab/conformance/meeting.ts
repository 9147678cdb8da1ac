/**
 * Lets the modes of one case strike a shared node together: once, when all of them have come. May be used again for the
 * next blow.
 */
export class Meeting {
  private waiting: ((outcome: Promise<void>) => void)[] = [];
  private work: () => Promise<void> = () => Promise.resolve();

  /** @param expected how many take part; each leaves once, at its end. */
  constructor(private expected: number) {}

  /** Waits for the others; then the work of the one that came last is done. @throws what the work throws, to all. */
  async together(work: () => Promise<void>): Promise<void> {
    const outcome = new Promise<void>((resolve) => {
      this.waiting.push(resolve);
    });
    this.work = work;
    this.strike();
    await outcome;
  }

  /** Nobody waits for this one any more. */
  leave(): void {
    this.expected -= 1;
    this.strike();
  }

  private strike(): void {
    if (this.waiting.length > 0 && this.waiting.length >= this.expected) {
      const { waiting } = this;
      this.waiting = [];
      const outcome = this.work();
      for (const resolve of waiting) {
        resolve(outcome);
      }
    }
  }
}
