/**
 * What the run's nodes cost, and what the same builds would have cost otherwise. Pure arithmetic on what was recorded;
 * prices and timers are assumptions (tools/preview/prices.ts, lab/autoscaler/timers.ts).
 *
 * Everything here is in GKE's time: the lab's clock is divided by the time scale, so each of its seconds counts as that
 * many. Boots and idle times thereby come out as they are there; a build comes out as many times longer than it was, and
 * so does what the control plane and the dispatcher took.
 */
import { nodeHour } from "../../tools/preview/prices";
import { type AutoscalingProfile, PROFILES } from "../autoscaler/timers";
import type { BuildRecord, NodeRecord, Stretch } from "./build-record";

/** What the nodes are. */
export interface PricedPool {
  readonly machineType: string;
  readonly spot: boolean;
}

/** What to price. */
export interface CostInput {
  readonly pool: PricedPool;
  readonly timeScale: number;
  /** From the first sample to the empty pool. */
  readonly stretch: Stretch;
  /** The most nodes that were allowed in it. */
  readonly maxNodes: number;
  readonly nodes: readonly NodeRecord[];
  readonly builds: readonly BuildRecord[];
}

/** How the same builds are paid for. */
export interface CostRow {
  readonly name: "this run" | AutoscalingProfile | "always on";
  /** For the recorded stretch, in GKE's time. */
  readonly nodeHours: number;
  /** US dollars; missing when the price is not in the table. */
  readonly dollars?: number;
  /** For 24 hours that hold these builds and no others. */
  readonly dayNodeHours: number;
  readonly dayDollars?: number;
}

/** Node-hours and dollars, all in GKE's time, rounded to 4 digits. */
export interface CostFigures extends PricedPool {
  readonly timeScale: number;
  readonly maxNodes: number;
  /** Length of the recorded stretch. */
  readonly hours: number;
  /** US dollars for one node and hour; missing when the table does not have it. */
  readonly nodeHourDollars?: number;
  /** From the order of a machine to its end. */
  readonly paidNodeHours: number;
  /** The part of them in which at least one build's pod was on the node. */
  readonly usedNodeHours: number;
  readonly rows: readonly CostRow[];
}

const HOUR = 3_600_000;

/** The run's cost, and that of its alternatives. */
export function costOf(input: CostInput): CostFigures {
  const { pool, timeScale, stretch, maxNodes, nodes } = input;
  const hours = ((stretch.to - stretch.from) * timeScale) / HOUR;
  const boot = PROFILES.OPTIMIZE_UTILIZATION.bootTime;
  const price = nodeHour(pool.machineType, pool.spot);
  const lives = nodes.map(({ registeredAt, goneAt }) =>
    within({ from: registeredAt - boot / timeScale, to: goneAt ?? stretch.to }, stretch),
  );
  const busy = busyStretches(input);
  const paid = (total(lives) * timeScale) / HOUR;
  const row = (name: CostRow["name"], nodeHours: number, dayNodeHours = nodeHours): CostRow => ({
    name,
    nodeHours: rounded(nodeHours),
    ...(price === undefined ? {} : { dollars: rounded(nodeHours * price) }),
    dayNodeHours: rounded(dayNodeHours),
    ...(price === undefined ? {} : { dayDollars: rounded(dayNodeHours * price) }),
  });
  const inGkeTime = busy.map(({ from, to }) => ({
    from: (from - stretch.from) * timeScale,
    to: (to - stretch.from) * timeScale,
  }));
  const profile = (name: AutoscalingProfile): CostRow => row(name, replay(inGkeTime, PROFILES[name]) / HOUR);
  return {
    ...{ machineType: pool.machineType, spot: pool.spot, timeScale, maxNodes },
    hours: rounded(hours),
    ...(price === undefined ? {} : { nodeHourDollars: rounded(price) }),
    paidNodeHours: rounded(paid),
    usedNodeHours: rounded((total(busy) * timeScale) / HOUR),
    rows: [
      row("this run", paid),
      profile("OPTIMIZE_UTILIZATION"),
      profile("BALANCED"),
      row("always on", maxNodes * hours, maxNodes * 24),
    ],
  };
}

/**
 * Node time that a profile pays for the same demand: a machine boots whenever no idle one is left, and goes when it was
 * idle for the profile's time. Milliseconds. It replays when nodes were needed, not how builds would have been packed.
 */
export function replay(
  busy: readonly Stretch[],
  { bootTime, unneededTime, scanInterval }: { bootTime: number; unneededTime: number; scanInterval: number },
): number {
  const stay = unneededTime + scanInterval;
  // An end comes before a beginning of the same moment: that node is free again.
  const changes = busy
    .flatMap(({ from, to }) => [
      { at: from, by: 1 },
      { at: to, by: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by);
  let idle: number[] = [];
  let sum = total(busy);
  for (const { at, by } of changes) {
    sum += idle.filter((since) => since + stay <= at).length * stay;
    idle = idle.filter((since) => since + stay > at);
    if (by < 0) {
      idle.push(at);
    } else {
      const since = idle.pop();
      sum += since === undefined ? bootTime : at - since;
    }
  }
  return sum + idle.length * stay;
}

/** For each node, the stretches in which it had a build's pod. */
function busyStretches({ builds, nodes, stretch }: CostInput): Stretch[] {
  return nodes.flatMap(({ name, goneAt }) =>
    union(
      builds
        .filter(({ node, boundAt }) => node === name && boundAt !== undefined)
        .map(({ boundAt = 0, endedAt }) => within({ from: boundAt, to: endedAt ?? goneAt ?? stretch.to }, stretch)),
    ),
  );
}

/** The same time in stretches that do not overlap. */
export function union(stretches: readonly Stretch[]): Stretch[] {
  const merged: Stretch[] = [];
  for (const one of [...stretches].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && one.from <= last.to) {
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, one.to) };
    } else {
      merged.push(one);
    }
  }
  return merged;
}

function within({ from, to }: Stretch, bounds: Stretch): Stretch {
  const start = Math.min(Math.max(from, bounds.from), bounds.to);
  return { from: start, to: Math.max(start, Math.min(to, bounds.to)) };
}

function total(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { from, to }) => sum + to - from, 0);
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}
