import { burstRaw, burstThroughDispatcher, burstThroughPolling } from "./burst";
import type { BenchContext } from "./context";
import { BY_DEFAULT, LIMITS_RAISED } from "./polling-controller";
import { rounded, type ScaleRow } from "./scale-row";

/** What is over in seconds is done so often, in turns: what the machine does meanwhile can be half of such a time. */
const ROUNDS = 3;
const SHORT = 1_000;

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
 * One size after the other; up to {@link SHORT} the middle one of {@link ROUNDS} is told. What is posted raw is halved,
 * before and after the others, so that whatever the machine and the growing database do to one half is not taken for a
 * way's own.
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
    const rounds = { ours: [] as ScaleRow[], raised: [] as ScaleRow[], raw: [] as ScaleRow[] };
    for (let round = 0; round < (jobs <= SHORT ? ROUNDS : 1); round += 1) {
      const before = await told("raw, first half", half, burstRaw(context, half));
      rounds.ours.push(await told("dispatcher", jobs, burstThroughDispatcher(context, jobs)));
      const raised = burstThroughPolling(context, jobs, LIMITS_RAISED);
      rounds.raised.push(await told("polling model, limits raised", jobs, raised));
      const after = await told("raw, second half", jobs - half, burstRaw(context, jobs - half));
      rounds.raw.push(joined(before, after));
    }
    growth.scale.push(middle(rounds.ours));
    growth.polling.limitsRaised.push(middle(rounds.raised));
    growth.raw.push(middle(rounds.raw));
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

/** Of several rounds the one in the middle by its time, with the most memory of any. */
export function middle(rounds: readonly ScaleRow[]): ScaleRow {
  const sorted = [...rounds].sort((a, b) => a.seconds - b.seconds);
  const row = sorted[Math.floor(sorted.length / 2)];
  if (row === undefined) {
    throw new RangeError("there was no round");
  }
  const most = (values: (number | null | undefined)[]): number | null => {
    const known = values.filter((value) => typeof value === "number");
    return known.length === 0 ? null : Math.max(...known);
  };
  const restartMiB = most(rounds.map((one) => one.restartMiB));
  return {
    ...row,
    peakMiB: most(rounds.map(({ peakMiB }) => peakMiB)),
    ...(restartMiB === null ? {} : { restartMiB }),
  };
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
    cpuMsPerJob: Object.fromEntries(
      Object.entries(first.cpuMsPerJob).map(([name, ms]) => {
        const sum = ms * first.jobs + (second.cpuMsPerJob[name] ?? 0) * second.jobs;
        return [name, rounded(sum / jobs, 2)];
      }),
    ),
  };
}
