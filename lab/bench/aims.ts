import type { Measured } from "./bench-results";
import type { ScaleRow } from "./scale-row";

/** One of the aims, and whether this run met it. */
export interface Aim {
  readonly aim: string;
  /** The rule, for people. */
  readonly rule: string;
  /** `null`: what it needs was not measured in this run. */
  readonly measured: number | null;
  readonly met: boolean | null;
}

/** The burst that aims speak of. */
const BURST = 1_000;
/** The size at which memory is judged. */
const MANY = 10_000;

/** Judges a run. */
export function judgeAims(measured: Measured): Aim[] {
  const { ratios, single, scale, rawScale, pollingScale, nodes, lostWebhooks } = measured;
  const burst = rowOf(scale, BURST);
  const raw = rowOf(rawScale, BURST);
  const calls = [...(scale ?? []), ...(nodes === undefined ? [] : [nodes])].map(({ callsPerJob }) => callsPerJob);
  const many = rowOf(scale, MANY);
  const peaks = [
    many?.peakMiB,
    many?.restartMiB,
    nodes !== undefined && nodes.jobs >= MANY ? nodes.peakMiB : undefined,
  ];
  return [
    atLeast("Jobs per second beside raw POSTs, in turns", 0.9, ratios?.throughput),
    atLeast("a burst of 1,000, Jobs per second beside raw POSTs", 0.9, ratio(burst?.perSecond, raw?.perSecond)),
    atMost("a single job, webhook to Job, p50", 25, single?.dispatcher.p50Ms, "ms"),
    atMost("a single job beside a raw POST, p50", 2, single?.ratios.p50, "times"),
    atLeast(
      "burst of 1,000, times faster than the polling model by its defaults",
      15,
      ratio(rowOf(pollingScale?.byDefault, BURST)?.seconds, burst?.seconds),
    ),
    atLeast(
      "burst of 1,000, times faster than the polling model with limits raised",
      1,
      ratio(rowOf(pollingScale?.limitsRaised, BURST)?.seconds, burst?.seconds),
    ),
    atMost("Kubernetes calls per job, the most of all sizes", 1.2, most(calls.map(({ kubernetes }) => kubernetes))),
    atMost("Buildkite calls per job, the most of all sizes", 0.05, most(calls.map(({ buildkite }) => buildkite))),
    atMost("dispatcher's memory at 10,000 jobs, peak", 128, most(peaks), "MiB"),
    atMost("a lost webhook is healed, the longest", 15, lostWebhooks?.longestSeconds, "s"),
  ];
}

function atLeast(aim: string, least: number, value: number | undefined): Aim {
  return { aim, rule: `>= ${least}`, measured: value ?? null, met: value === undefined ? null : value >= least };
}

function atMost(aim: string, limit: number, value: number | undefined, unit = ""): Aim {
  const rule = `<= ${limit} ${unit}`.trimEnd();
  return { aim, rule, measured: value ?? null, met: value === undefined ? null : value <= limit };
}

function rowOf(rows: readonly ScaleRow[] | undefined, jobs: number): ScaleRow | undefined {
  return rows?.find((row) => row.jobs === jobs);
}

function ratio(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : Number((one / other).toFixed(3));
}

function most(values: readonly (number | null | undefined)[]): number | undefined {
  const known = values.filter((value) => typeof value === "number");
  return known.length === 0 ? undefined : Math.max(...known);
}
