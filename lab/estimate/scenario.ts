import { MAX_JOBS_PER_NODE } from "../../components/pods-per-node";
import type { NodePrice } from "../../tools/preview/prices";
import { allocatable, describeAllocatable, PROFILES, type AutoscalingProfile } from "../autoscaler";
import type { PoolSpec } from "../autoscaler/pool";
import { within, type Resources } from "../autoscaler/quantity";
import { percentile } from "../percentile";
import { simulate, type SimulationResult } from "./simulation";
import type { History } from "./history";

/** What is held equal in all rows of a table. */
export interface Assumptions {
  /** Machine ordered to node ready. */
  readonly nodeStartSeconds: number;
  /** More, for a build on a new node. */
  readonly imagePullSeconds: number;
  /** Pod bound to agent at work. */
  readonly podStartSeconds: number;
  /** Job runnable to pod made. */
  readonly dispatchSeconds: number;
  readonly diskGib: number;
  readonly monthDays: number;
  readonly clusterFeePerHour: number;
  /** Days that the history covers. Default: from its first job to its last. */
  readonly historyDays: number | undefined;
  /** What a build's pod requests, by queue; `""` for the others. */
  readonly requests: ReadonlyMap<string, Resources>;
  /** Instead of requests: so many to a node. */
  readonly jobsPerNode: number | undefined;
}

/** The builds that are tried. */
export interface TriedBuilds {
  /** By the time they became runnable. */
  readonly jobs: History["jobs"];
  /** Days of which these are all the builds; of one queue's builds the days of the whole file. */
  readonly days: number;
}

/** One pool that is tried. */
export interface Pool {
  readonly maxNodes: number;
  readonly machineType: string;
  readonly profile: AutoscalingProfile;
}

/** A row of the table. Money is USD a month. */
export interface Outcome extends Pool {
  /** Share of node-hours at Spot's price, 0 to 1. */
  readonly spotShare: number;
  readonly waitP50Seconds: number;
  readonly waitP95Seconds: number;
  /** Nodes, from the order of each to its end. */
  readonly nodeCost: number;
  /** The same number of nodes as the maximum, at the same prices, always on. */
  readonly alwaysOnCost: number;
  /** Machines started, a month. */
  readonly coldStarts: number;
  readonly peakNodes: number;
  readonly nodeHoursPaid: number;
  /** Of these with at least one build's pod. */
  readonly nodeHoursUsed: number;
  /** Builds' time, each as the share of a node that it takes, over what was paid; 0 to 1. */
  readonly utilisation: number;
  /** False when the last job was over later than in reality by more than an hour and 5 % of the history: too few nodes. */
  readonly keepsUp: boolean;
}

const SECOND = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Days that a whole history covers: what was said of it, else from its first job to the end of its last. */
export function coveredDays({ jobs }: History, historyDays: number | undefined): number {
  const first = jobs[0]?.runnableAt ?? 0;
  return historyDays ?? Math.max(endOf(jobs) - first, HOUR_MS) / DAY_MS;
}

/** By how much the end of a history of so many days may be off: an hour, or 5 % of it where that is more. Milliseconds. */
export function slackMs(days: number): number {
  return Math.max(HOUR_MS, 0.05 * days * DAY_MS);
}

/**
 * Simulates one pool.
 *
 * @returns a row for each share of Spot: that changes prices only.
 * @throws RangeError when a build fits on no node of the type.
 */
export function tryPool(
  { jobs, days }: TriedBuilds,
  pool: Pool,
  spotShares: readonly number[],
  price: NodePrice,
  assumptions: Assumptions,
): Outcome[] {
  const { nodeStartSeconds, imagePullSeconds, podStartSeconds, dispatchSeconds, monthDays } = assumptions;
  const requestsOf = requestsBy(pool.machineType, assumptions);
  refuseTooLarge(jobs, pool.machineType, requestsOf, assumptions.diskGib);
  const result = simulate({
    jobs: jobs.map(({ queue, runnableAt, durationMs }) => ({
      ...{ runnableAt, durationMs },
      requests: requestsOf(queue),
    })),
    pool: poolSpec(pool, assumptions.diskGib),
    timers: { ...PROFILES[pool.profile], bootTime: nodeStartSeconds * SECOND },
    placement: pool.profile === "OPTIMIZE_UTILIZATION" ? "pack" : "spread",
    dispatchMs: dispatchSeconds * SECOND,
    podStartMs: podStartSeconds * SECOND,
    imagePullMs: imagePullSeconds * SECOND,
  });
  const scale = monthDays / days;
  const month = monthDays * 24 * pool.maxNodes;
  // A backlog that outlasts the history makes more than all nodes' hours of it: no month has more than its hours.
  const paid = Math.min(month, (result.paidMs / HOUR_MS) * scale);
  const waits = [...result.waitsMs].sort((a, b) => a - b);
  const late = result.lastEndAt - endOf(jobs);
  return spotShares.map((spotShare) => {
    const hour = price.spot * spotShare + price.onDemand * (1 - spotShare);
    return {
      ...pool,
      spotShare,
      waitP50Seconds: percentile(waits, 0.5) / SECOND,
      waitP95Seconds: percentile(waits, 0.95) / SECOND,
      nodeCost: paid * hour,
      alwaysOnCost: month * hour,
      coldStarts: result.coldStarts * scale,
      peakNodes: result.peakNodes,
      nodeHoursPaid: paid,
      nodeHoursUsed: share(result, paid, result.busyMs),
      utilisation: result.paidMs > 0 ? result.usedMs / result.paidMs : 0,
      keepsUp: late <= slackMs(days),
    };
  });
}

function share({ paidMs }: SimulationResult, paid: number, ms: number): number {
  return paidMs > 0 ? (paid * ms) / paidMs : 0;
}

function endOf(jobs: History["jobs"]): number {
  return jobs.reduce(
    (last, { runnableAt, waitedMs, durationMs }) => Math.max(last, runnableAt + waitedMs + durationMs),
    0,
  );
}

function requestsBy(
  machineType: string,
  { requests, jobsPerNode, diskGib }: Assumptions,
): (queue: string) => Resources {
  if (jobsPerNode !== undefined) {
    const { cpu, memory, ephemeralStorage } = allocatable(machineType, diskGib);
    const part = (amount: number): number => Math.floor(amount / jobsPerNode);
    const each = { cpu: part(cpu), memory: part(memory), ephemeralStorage: part(ephemeralStorage) };
    return () => each;
  }
  return (queue) => {
    const found = requests.get(queue) ?? requests.get("");
    if (found === undefined) {
      throw new RangeError(`nothing is said of what builds of queue ${JSON.stringify(queue)} request`);
    }
    return found;
  };
}

function refuseTooLarge(
  jobs: History["jobs"],
  machineType: string,
  requestsOf: (queue: string) => Resources,
  diskGib: number,
): void {
  const room = allocatable(machineType, diskGib);
  for (const queue of new Set(jobs.map((job) => job.queue))) {
    const requests = requestsOf(queue);
    if (!within(requests, room)) {
      throw new RangeError(
        `--requests must fit on a node: a build of queue ${queue} asks for ${describeRequests(requests)}, and of ` +
          `${describeAllocatable(machineType, diskGib)}; give smaller requests, --jobs-per-node, or another --machine-type`,
      );
    }
  }
}

/** For people. */
export function describeRequests({ cpu, memory, ephemeralStorage }: Resources): string {
  const gib = (bytes: number): string => `${Number((bytes / 2 ** 30).toFixed(2))} GiB`;
  return `${cpu}m CPU, ${gib(memory)} memory, ${gib(ephemeralStorage)} disk`;
}

function poolSpec({ maxNodes, machineType }: Pool, diskGib: number): PoolSpec {
  return {
    name: "builds",
    cluster: "estimate",
    location: "us-central1-a",
    zones: ["us-central1-a"],
    minNodes: 0,
    maxNodes,
    initialNodes: 0,
    machineType,
    diskGib,
    // Of the pool's pods those of builds: the simulation has no others.
    maxPodsPerNode: MAX_JOBS_PER_NODE,
    labels: {},
    taints: [],
  };
}
