import { setTimeout as sleep } from "node:timers/promises";

/** Does something; returns what was rejected meanwhile with nobody to handle it, of which mocha says nothing. */
export async function unhandledRejections(act: () => Promise<unknown>): Promise<unknown[]> {
  const found = new Set<unknown>();
  const onRejection = (reason: unknown): void => {
    found.add(reason);
  };
  process.on("unhandledRejection", onRejection);
  try {
    await act();
    // Node tells after the turn in which it came.
    await sleep(1);
  } finally {
    process.off("unhandledRejection", onRejection);
  }
  return [...found];
}
