import type { Needle } from "./needles";
import { type Leak, searchProcessArguments } from "./search";

const EVERY_MS = 500;

/** Looks at every process's arguments again and again: the commands that handle secrets live for seconds only. */
export class ProcessWatch {
  /** What was found so far, each once. */
  readonly found = new Map<string, Leak>();
  private readonly timer: NodeJS.Timeout;

  constructor(needles: readonly Needle[]) {
    this.timer = setInterval(() => {
      for (const leak of searchProcessArguments(needles)) {
        this.found.set(`${leak.secret} ${leak.place}`, leak);
      }
    }, EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
