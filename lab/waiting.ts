import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until a condition holds.
 *
 * @throws after `seconds`, with what was waited for and where things stood then; at once when the signal aborts.
 */
export async function until(
  what: string,
  seconds: number,
  signal: AbortSignal,
  condition: () => boolean,
  standing: () => string = () => "",
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`waited ${seconds} s for ${what}. ${standing()}`);
    }
    await sleep(50, undefined, { signal });
  }
}

/**
 * Waits for all of them, also when one fails: what goes on behind a failure would meet the cleaning up.
 *
 * @throws the first failure.
 */
export async function allEnded(...work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work);
  await Promise.all(work);
}
