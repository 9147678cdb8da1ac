import { setTimeout as sleep } from "node:timers/promises";
import { type FakeBuildkite, SeededRandom } from "./buildkite";

/** How long builds are, in seconds: short, so that 200 of them fit into a lab run. */
const SHORTEST = 0.5;
const LONGEST = 3;
/** Builds come in bursts, as pushes do. */
const BURST = 25;
const BURST_PAUSE_MS = 1_500;

/**
 * Schedules builds over the queues, in bursts, from a seed.
 *
 * @returns once the last one was scheduled.
 */
export async function scheduleBuilds(
  buildkite: FakeBuildkite,
  queues: readonly string[],
  count: number,
  seed: number,
  signal: AbortSignal,
): Promise<void> {
  const random = new SeededRandom(seed);
  for (let build = 0; build < count; build++) {
    if (build > 0 && build % BURST === 0) {
      await sleep(BURST_PAUSE_MS, undefined, { signal });
    }
    const queue = queues[build % queues.length] ?? "default";
    const fails = random.next() < 0.1;
    buildkite.schedule({
      queue,
      seconds: SHORTEST + random.next() * (LONGEST - SHORTEST),
      ...(fails ? { exitStatus: 1 } : {}),
      ...(queue === "docker" ? { agentQueryRules: ["docker=true"] } : {}),
    });
  }
}
