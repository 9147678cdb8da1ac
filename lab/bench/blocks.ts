import type { Measured } from "./results";

/** Something to be done many times; resolves when one is done. */
export type Task = () => Promise<unknown>;

/**
 * Runs two lists of tasks in blocks that take turns, so that whatever the machine does meanwhile happens to both. Who
 * goes first changes from turn to turn.
 */
export async function takeTurns(
  one: readonly Task[],
  other: readonly Task[],
  block: number,
  concurrency: number,
  signal: AbortSignal,
): Promise<[Measured, Measured]> {
  const measured = [new Recorder(), new Recorder()] as const;
  const count = Math.ceil(Math.max(one.length, other.length) / block);
  for (let turn = 0; turn < count; turn++) {
    const sides = [
      { tasks: one, recorder: measured[0] },
      { tasks: other, recorder: measured[1] },
    ];
    for (const { tasks, recorder } of turn % 2 === 0 ? sides : sides.reverse()) {
      signal.throwIfAborted();
      await recorder.run(tasks.slice(turn * block, (turn + 1) * block), concurrency, signal);
    }
  }
  return [measured[0], measured[1]];
}

class Recorder implements Measured {
  readonly blockSeconds: number[] = [];
  readonly latencies: number[] = [];

  async run(tasks: readonly Task[], concurrency: number, signal: AbortSignal): Promise<void> {
    let next = 0;
    const began = performance.now();
    const worker = async (): Promise<void> => {
      for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) {
        signal.throwIfAborted();
        const sent = performance.now();
        await task();
        this.latencies.push(performance.now() - sent);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    this.blockSeconds.push((performance.now() - began) / 1000);
  }
}
