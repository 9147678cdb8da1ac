import { burstRaw, burstThroughDispatcher, burstThroughPolling } from "./burst";
import type { BenchContext } from "./context";
import { BY_DEFAULT, LIMITS_RAISED } from "./polling-controller";
import { rounded, type ScaleRow } from "./scale-row";

/** A size at which something was not run, and the time it would take by what was measured of a smaller one. */
export interface Reckoned {
  readonly jobs: number;
  readonly seconds: number;
}

/** Bursts of the same sizes, each way. */
export interface Growth {
  readonly scale: ScaleRow[];
  readonly raw: ScaleRow[];
  readonly polling: {
    readonly byDefault: ScaleRow[];
    readonly byDefaultReckoned: Reckoned[];
    readonly limitsRaised: ScaleRow[];
  };
}

/**
 * One size after the other. What is posted raw is halved, before and after the others, so that whatever the machine
 * and the growing database do to one half is not taken for a way's own.
 */
export async function measureGrowth(context: BenchContext, sizes: readonly number[]): Promise<Growth> {
  const growth: Growth = { scale: [], raw: [], polling: { byDefault: [], byDefaultReckoned: [], limitsRaised: [] } };
  const { print } = context;
  const told = async (way: string, jobs: number, measuring: Promise<ScaleRow>): Promise<ScaleRow> => {
    const row = await measuring;
    print(`bench: ${jobs} jobs at once, ${way}: ${row.seconds} s, ${row.perSecond} per second`);
    return row;
  };
  for (const jobs of sizes) {
    const half = Math.ceil(jobs / 2);
    const before = await told("raw, first half", half, burstRaw(context, half));
    growth.scale.push(await told("dispatcher", jobs, burstThroughDispatcher(context, jobs)));
    const raised = burstThroughPolling(context, jobs, LIMITS_RAISED);
    growth.polling.limitsRaised.push(await told("polling model, limits raised", jobs, raised));
    const after = await told("raw, second half", jobs - half, burstRaw(context, jobs - half));
    growth.raw.push(joined(before, after));
    if (jobs <= context.sizes.slowestUpTo) {
      const slow = burstThroughPolling(context, jobs, BY_DEFAULT);
      growth.polling.byDefault.push(await told("polling model by its defaults", jobs, slow));
    } else {
      const measured = growth.polling.byDefault.at(-1);
      if (measured !== undefined) {
        growth.polling.byDefaultReckoned.push(reckon(measured, jobs));
      }
    }
  }
  return growth;
}

/** From a measured size on, the token bucket alone decides. */
export function reckon(measured: ScaleRow, jobs: number): Reckoned {
  return { jobs, seconds: rounded(measured.seconds + (jobs - measured.jobs) / BY_DEFAULT.perSecond, 1) };
}

/** Two halves, one after the other, as one burst of all: the second half's jobs have waited for the first half. */
export function joined(first: ScaleRow, second: ScaleRow): ScaleRow {
  const jobs = first.jobs + second.jobs;
  const seconds = first.seconds + second.seconds;
  const calls = first.callsPerJob.kubernetes * first.jobs + second.callsPerJob.kubernetes * second.jobs;
  return {
    ...first,
    ...{ jobs, seconds: rounded(seconds, 3), perSecond: rounded(jobs / seconds, 1) },
    // Of the middle one and of the one that 99 of 100 precede.
    p50Ms: rounded(first.seconds * 1000, 1),
    p99Ms: rounded(first.seconds * 1000 + second.p99Ms, 1),
    callsPerJob: { kubernetes: rounded(calls / jobs, 3), buildkite: 0 },
  };
}
