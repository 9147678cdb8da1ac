import { MAX_JOBS_PER_NODE, PODS_PER_NODE, SYSTEM_PODS_PER_NODE } from "../../components/pods-per-node";
import { PRICE_SOURCE } from "../../tools/preview/prices";
import type { AutoscalingProfile } from "../autoscaler";
import { percentile } from "../percentile";
import type { History } from "./history";
import { kneeOf } from "./knee";
import type { EstimateOptions } from "./options";
import { knownPrice } from "./prices";
import { refuseMismatch } from "./refuse-mismatch";
import { coveredDays, describeRequests, tryPool, type Outcome } from "./scenario";

/** Rows that differ in their maximum only, and so lie on one line of the picture. */
export interface Series {
  readonly machineType: string;
  readonly profile: AutoscalingProfile;
  readonly spotShare: number;
  /** By rising maximum. */
  readonly outcomes: readonly Outcome[];
  /** The maximum at the knee of waiting (p95) against cost; undefined where there is none. */
  readonly knee: number | undefined;
}

/** What is written to `out/estimate.json`. */
export interface Estimate {
  readonly history: {
    readonly file: string;
    readonly jobs: number;
    readonly leftOut: Readonly<Record<string, number>>;
    /** Of the first job of the whole file, ISO 8601. */
    readonly from: string;
    /** That the whole file covers. */
    readonly days: number;
    /** What the jobs waited in reality. */
    readonly waitP50Seconds: number;
    readonly waitP95Seconds: number;
  };
  readonly series: readonly Series[];
  /** GKE's fee a month, the same whatever the pool. */
  readonly clusterFee: number;
  readonly monthDays: number;
  /** One sentence each. */
  readonly assumptions: readonly string[];
  /** What makes the numbers weaker than they look, one sentence each; often empty. */
  readonly warnings: readonly string[];
}

/**
 * The whole table.
 *
 * @param progress hears how far it is.
 * @throws RangeError when a build fits on no node of a machine type, or an option does not fit the file.
 */
export function estimateHistory(
  whole: History,
  options: EstimateOptions,
  progress: (line: string) => void = () => undefined,
): Estimate {
  const { maxNodes, machineTypes, profiles, spotShares, queues, assumptions, prices } = options;
  refuseMismatch(whole, options);
  const history = { ...whole, jobs: whole.jobs.filter(({ queue }) => queues.length === 0 || queues.includes(queue)) };
  const [first] = whole.jobs;
  if (first === undefined) {
    throw new RangeError("the file must have at least one job, got none");
  }
  // Of the whole file, whichever queue is asked for: its few builds are all there were of it in these days.
  const days = coveredDays(whole, assumptions.historyDays);
  const pools = machineTypes.flatMap((machineType) =>
    profiles.flatMap((profile) => maxNodes.map((most) => ({ machineType, profile, maxNodes: most }))),
  );
  const outcomes = pools.flatMap((pool, index) => {
    progress(`${index} of ${pools.length} pools simulated`);
    return tryPool(
      { jobs: history.jobs, days },
      pool,
      spotShares,
      prices.get(pool.machineType) ?? knownPrice(pool.machineType),
      assumptions,
    );
  });
  const waits = history.jobs.map(({ waitedMs }) => waitedMs).sort((a, b) => a - b);
  return {
    history: {
      file: options.file,
      jobs: history.jobs.length,
      leftOut: whole.leftOut,
      from: new Date(first.runnableAt).toISOString(),
      days,
      waitP50Seconds: percentile(waits, 0.5) / 1000,
      waitP95Seconds: percentile(waits, 0.95) / 1000,
    },
    series: seriesOf(outcomes),
    clusterFee: assumptions.clusterFeePerHour * 24 * assumptions.monthDays,
    monthDays: assumptions.monthDays,
    assumptions: sentences(options),
    warnings: warningsOf(days, outcomes, mostAtOnce(history)),
  };
}

/** Outcomes in lines, each with its knee. */
export function seriesOf(outcomes: readonly Outcome[]): Series[] {
  const lines = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const key = `${outcome.machineType}/${outcome.profile}/${outcome.spotShare}`;
    lines.set(key, [...(lines.get(key) ?? []), outcome]);
  }
  return [...lines.values()].flatMap((line) => {
    const [one] = line;
    if (one === undefined) {
      return [];
    }
    const sorted = line.toSorted((a, b) => a.maxNodes - b.maxNodes);
    // A pool that never catches up is no choice: its waiting time would be another had the history been longer.
    const choices = sorted.filter(({ keepsUp }) => keepsUp);
    const knee = kneeOf(choices.map(({ nodeCost, waitP95Seconds }) => ({ cost: nodeCost, wait: waitP95Seconds })));
    const { machineType, profile, spotShare } = one;
    return [
      {
        machineType,
        profile,
        spotShare,
        outcomes: sorted,
        knee: knee === undefined ? undefined : choices[knee]?.maxNodes,
      },
    ];
  });
}

function sentences({ machineTypes, prices, assumptions }: EstimateOptions): string[] {
  const { nodeStartSeconds, imagePullSeconds, podStartSeconds, dispatchSeconds, jobsPerNode, requests } = assumptions;
  const usd = (amount: number): string => `$${amount.toFixed(4)}`;
  return [
    `A node is ready ${nodeStartSeconds} s after the autoscaler asked for it (GKE's documentation: 80 to 120 s).`,
    `A job has its pod ${dispatchSeconds} s after it was runnable, and its agent works ${podStartSeconds} s after the pod has a node; ` +
      `${imagePullSeconds} s more on a new node, which has no images.`,
    ...machineTypes.map((type) => {
      const { onDemand, spot } = prices.get(type) ?? knownPrice(type);
      return `${type}: ${usd(onDemand)} an hour, ${usd(spot)} as Spot.`;
    }),
    `Prices, unless given on the command line: ${PRICE_SOURCE}.`,
    jobsPerNode === undefined
      ? `A build's pod requests ${[...requests]
          .map(([queue, one]) => `${describeRequests(one)}${queue === "" ? "" : ` (queue ${queue})`}`)
          .join("; ")}.`
      : `${jobsPerNode} builds fit on a node.`,
    `At most ${MAX_JOBS_PER_NODE} builds share a node: it takes ${PODS_PER_NODE} pods, and ${SYSTEM_PODS_PER_NODE} are left to GKE's own.`,
    "GKE's timers are those of the published chart of its autoscaler; that managed GKE runs the same is an inference.",
    "Builds take as long as they did and become runnable when they did; no cold caches, no Spot preemption, no shortage of machines.",
    "Paid is a machine from the moment it is asked for to its end. Beside the cluster's fee, the node of the dispatcher is not in the numbers.",
  ];
}

/** How many jobs ran at one time, at the most, in reality. */
export function mostAtOnce({ jobs }: History): number {
  const changes = jobs.flatMap(({ runnableAt, waitedMs, durationMs }) => {
    const began = runnableAt + waitedMs;
    return [
      { at: began, by: 1 },
      { at: began + durationMs, by: -1 },
    ];
  });
  // One that begins as another ends takes its place.
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let running = 0;
  let most = 0;
  for (const { by } of changes) {
    running += by;
    most = Math.max(most, running);
  }
  return most;
}

function warningsOf(days: number, outcomes: readonly Outcome[], most: number): string[] {
  const late = [...new Set(outcomes.filter(({ keepsUp }) => !keepsUp).map(({ maxNodes }) => maxNodes))];
  return [
    ...(days < 6.5
      ? [
          `The history covers ${days.toFixed(1)} days: less than a week, so nights or weekends may be missing from the month.`,
        ]
      : []),
    ...(late.length > 0
      ? [
          `Too few nodes with a maximum of ${late.join(", ")}: the last build is over long after it was in reality, where up ` +
            `to ${most} ran at one time. --max-nodes takes others.`,
        ]
      : []),
  ];
}
