import { setTimeout as sleep } from "node:timers/promises";
import { isAborted } from "../is-aborted";
import { messageOf, type Log } from "../log";

/** How a part of the dispatcher looks for something again and again. */
export interface LookOptions {
  /** For the log line of a look that failed: "<what> not looked for". */
  what: string;
  /** Between two looks; a fifth more or less each time. */
  intervalMs: number;
  log: Log;
}

/** Looks until the signal. A look that fails is said once, and the next is taken as if nothing had happened. */
export async function lookAgain(
  { what, intervalMs, log }: LookOptions,
  look: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let failing = false;
  while (!signal.aborted) {
    try {
      await sleep(intervalMs * (0.8 + Math.random() * 0.4), undefined, { signal });
      await look(signal);
      failing = false;
    } catch (error) {
      if (!isAborted(signal) && !failing) {
        failing = true;
        log.warn(`${what} not looked for, will be tried again`, { error: messageOf(error) });
      }
    }
  }
}
