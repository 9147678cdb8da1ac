/** How often a step that is still running says so, in milliseconds. */
export const heartbeatMilliseconds = 15_000;

/** Prints the lines of one run, with the seconds since it began. */
export class Progress {
  readonly #start = Date.now();
  readonly #print: (line: string) => void;
  readonly #heartbeat: number;

  constructor(print: (line: string) => void, heartbeat: number) {
    this.#print = print;
    this.#heartbeat = heartbeat;
  }

  /** One line as it is. */
  line(text: string): void {
    this.#print(text);
  }

  /** One line with the elapsed seconds before it. */
  timed(text: string): void {
    const seconds = Math.round((Date.now() - this.#start) / 1000);
    this.#print(`[${String(seconds).padStart(4)} s] ${text}`);
  }

  /** Runs a step: a line when it begins, one when it has ended well, and one every heartbeat between. */
  async step<T>(what: string, run: () => Promise<T>): Promise<T> {
    const began = Date.now();
    const took = () => `${Math.round((Date.now() - began) / 1000)} s`;
    this.timed(`${what} ...`);
    const heartbeat = setInterval(() => {
      this.timed(`${what}: ${took()} so far`);
    }, this.#heartbeat);
    try {
      const result = await run();
      this.timed(`${what}: done in ${took()}`);
      return result;
    } finally {
      clearInterval(heartbeat);
    }
  }
}
