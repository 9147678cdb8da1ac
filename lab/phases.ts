/** One step of the lab's run and how long it took. */
export interface Phase {
  readonly name: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly seconds: number;
}

/** Times the steps and says which one is under way. */
export class Phases {
  readonly finished: Phase[] = [];
  private readonly begun = new Set<{ readonly name: string; readonly startedAt: number }>();
  private readonly start = Date.now();

  constructor(private readonly print: (line: string) => void) {}

  /** Seconds since the run began, as the printed lines have them. */
  elapsed(): string {
    return ((Date.now() - this.start) / 1000).toFixed(1).padStart(6);
  }

  /** Seconds since the run began, and the steps under way with theirs. */
  now(): { elapsed: number; steps: { name: string; seconds: number }[] } {
    const now = Date.now();
    const steps = [...this.begun].map(({ name, startedAt }) => ({ name, seconds: (now - startedAt) / 1000 }));
    return { elapsed: (now - this.start) / 1000, steps };
  }

  /** Prints a line with the time before it. */
  say(line: string): void {
    this.print(`${this.elapsed()} s  ${line}`);
  }

  /** Runs one step; its time counts also when it fails. */
  async run<T>(name: string, step: () => Promise<T>): Promise<T> {
    const startedAt = Date.now();
    const begun = { name, startedAt };
    this.begun.add(begun);
    this.say(`${name} ...`);
    try {
      return await step();
    } finally {
      this.begun.delete(begun);
      const seconds = (Date.now() - startedAt) / 1000;
      this.finished.push({ name, startedAt, seconds: Math.round(seconds * 10) / 10 });
      this.say(`${name}: ${seconds.toFixed(1)} s`);
    }
  }
}
