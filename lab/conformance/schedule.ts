/** One piece of work for {@link runSideBySide}. */
export interface Work {
  /** Nothing else may run beside it: it measures times. */
  readonly alone: boolean;
  /** Of works in the same lane one runs at a time. */
  readonly lane?: string;
  /** Roughly how long it takes, in seconds: the long ones begin first. */
  readonly seconds: number;
  readonly run: () => Promise<void>;
}

/**
 * Runs pieces of work, at most `limit` at one time; afterwards, one by one, those that must be alone. A piece must not
 * throw: what it has to say it keeps.
 *
 * @returns when all have ended; after an abort when those that had begun have ended.
 */
export async function runSideBySide(works: readonly Work[], limit: number, signal: AbortSignal): Promise<void> {
  const waiting = works.filter(({ alone }) => !alone).sort((a, b) => b.seconds - a.seconds);
  const running = new Set<Work>();
  const underWay = new Set<Promise<void>>();
  const next = (): Work | undefined => {
    const taken = new Set([...running].flatMap(({ lane }) => lane ?? []));
    const index = waiting.findIndex(({ lane }) => lane === undefined || !taken.has(lane));
    return index < 0 ? undefined : waiting.splice(index, 1)[0];
  };
  while (!signal.aborted || underWay.size > 0) {
    while (!signal.aborted && running.size < limit) {
      const work = next();
      if (work === undefined) {
        break;
      }
      running.add(work);
      const ended = work.run().finally(() => {
        running.delete(work);
        underWay.delete(ended);
      });
      underWay.add(ended);
    }
    if (underWay.size === 0) {
      break;
    }
    await Promise.race(underWay);
  }
  for (const work of works) {
    if (work.alone && !aborted(signal)) {
      await work.run();
    }
  }
}

/** A call, because the compiler takes a property that was read before an `await` as unchanged after it. */
function aborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
