import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../percentile";
import type { BenchContext } from "./context";
import { rounded } from "./scale-row";
import { schedule, Stage } from "./stage";

/** Single jobs whose webhooks never come. */
export interface LostResult {
  readonly jobs: number;
  /** From scheduling at Buildkite to the Job. */
  readonly p50Seconds: number;
  readonly longestSeconds: number;
}

/** Schedules them spread over time, so that they meet the loop at all points of its interval. */
export async function measureLost(context: BenchContext): Promise<LostResult> {
  const { sizes, signal } = context;
  const stage = await Stage.open(context);
  try {
    await stage.startDispatcher({ reconcileSeconds: sizes.reconcileSeconds });
    const builds = stage.prepare(sizes.lost.jobs);
    const at = new Map<string, number>();
    for (const build of builds) {
      at.set(build.id, performance.now());
      schedule([build]);
      await sleep((sizes.lost.seconds * 1000) / builds.length, undefined, { signal });
    }
    await stage.created.until(builds.length, 60, signal);
    const healed = builds
      .map(({ id }) => ((stage.created.seenAt.get(id) ?? Number.NaN) - (at.get(id) ?? Number.NaN)) / 1000)
      .sort((a, b) => a - b);
    return {
      jobs: builds.length,
      p50Seconds: rounded(percentile(healed, 0.5), 1),
      longestSeconds: rounded(healed.at(-1) ?? Number.NaN, 1),
    };
  } finally {
    await stage.close();
  }
}
