/** What asks a command of the lab to stop. */
export interface Interruption {
  /** Aborted once it is to stop; the reason says why. */
  readonly signal: AbortSignal;
  /** From now on the process ends by those signals, as any does. */
  end(): void;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Takes Ctrl-C, SIGTERM, a closed terminal, and a reader that has gone (`npm run lab | head`) for reasons to stop in order.
 *
 * @param print is told at each signal that it was heard.
 */
export function listenForInterruption(print: (line: string) => void): Interruption {
  const interrupted = new AbortController();
  const { signal } = interrupted;
  const onSignal = (): void => {
    print(signal.aborted ? "Still stopping ..." : "Stopping: nothing is left behind ...");
    interrupted.abort(new Error("interrupted"));
  };
  for (const name of SIGNALS) {
    process.on(name, onSignal);
  }
  // Never taken off again: the last words may be what fails.
  process.stdout.on("error", () => {
    interrupted.abort(new Error("nobody reads the output any more"));
  });
  return {
    signal,
    end: () => {
      for (const name of SIGNALS) {
        process.off(name, onSignal);
      }
    },
  };
}
