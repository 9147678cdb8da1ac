import { setMaxListeners } from "node:events";
import type { AdministratorAccess } from "../control-plane";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { complaintsOf, healedSeconds, outcomesOf } from "./outcomes";
import type { FaultResult, FaultRow } from "./row";
import { FaultSystem, RECONCILE_SECONDS } from "./system";

/** What a row runs in. */
export interface RowContext {
  readonly admin: KubernetesClient;
  readonly access: AdministratorAccess;
  /** Of its own, not there yet. */
  readonly namespace: string;
  readonly seed: number;
  readonly builds: number;
  readonly webhookOnly: boolean;
  readonly signal: AbortSignal;
  /** Hears of the system once it runs. */
  readonly onSystem?: (system: FaultSystem) => void;
}

/** From the end of the harm until everything is over. */
const OVER_SECONDS = 150;
/** The same where nothing can come late, because nobody asks Buildkite. */
const OVER_SECONDS_WEBHOOK_ONLY = 30;
/** A row that hangs ends with this, unless it says otherwise. */
const ROW_SECONDS = 360;
/** Longest wait of a held job that nothing wakes: for its third attempt. */
const HELD_SECONDS = 25;
/** After the last build: the next list of every replica, with its jitter, and a Job and a pod that must not come of it. */
const QUIET_SECONDS = RECONCILE_SECONDS * 1.2 + 2;

/** Runs one row. @throws when it could not be run, or the signal's reason; a row that does not hold is a result. */
export async function runRow(row: FaultRow, context: RowContext): Promise<FaultResult> {
  const limitSeconds = row.limitSeconds ?? ROW_SECONDS;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(limitSeconds * 1000)]);
  // Every wait of a row listens to it.
  setMaxListeners(0, signal);
  const { admin, access, webhookOnly, builds, namespace, seed, onSystem } = context;
  const { timeScale, setting } = row;
  try {
    const system = await FaultSystem.start({
      ...{ admin, access, webhookOnly, signal, timeScale, namespace, seed, builds, setting },
    });
    try {
      onSystem?.(system);
      const began = Date.now();
      const healing = await row.harm(system, builds);
      // What is late is judged below, by what became of each job.
      await system.untilOver(webhookOnly ? OVER_SECONDS_WEBHOOK_ONLY : OVER_SECONDS).catch((error: unknown) => {
        signal.throwIfAborted();
        system.complaints.push(error instanceof Error ? error.message : String(error));
      });
      const seconds = (Date.now() - began) / 1000;
      await system.fake.settled();
      await system.wait(QUIET_SECONDS);
      const held = await heldInTheEnd(system);
      if (held > 0) {
        system.complaints.push(`${held} jobs are still held in memory`);
      }
      return resultOf(row, system, healing, seconds);
    } finally {
      await system.stop();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throw signal.aborted ? new Error(`it was not over within its ${limitSeconds} s`, { cause: error }) : error;
  }
}

/** How many jobs the dispatchers still hold, when there is nothing left to hold them for. */
async function heldInTheEnd(system: FaultSystem): Promise<number> {
  for (const end = Date.now() + HELD_SECONDS * 1000; ;) {
    const held = await system.replicas.held();
    if (held === 0 || Date.now() > end) {
      return held;
    }
    await system.wait(1);
  }
}

function resultOf(row: FaultRow, system: FaultSystem, healing: number | undefined, seconds: number): FaultResult {
  const { fake, replicas, agents, overlap, jobsSeen } = system;
  const live = jobsSeen.live();
  const outcomes = outcomesOf(fake.jobs(), (id) => live.has(id));
  const overlapping = overlap.overlapping.size;
  // Every build of every row ends well by itself.
  const failed = fake.jobs().filter(({ starts, result }) => starts > 0 && result?.exitStatus !== "0").length;
  return {
    fault: row.name,
    scheduled: outcomes.scheduled,
    ranOnce: outcomes.ranOnce,
    canceled: outcomes.canceled,
    givenUp: outcomes.givenUp,
    lost: outcomes.lost,
    twice: outcomes.twice,
    overlappingPods: overlapping,
    wastedPods: agents.wastedPods,
    healedSeconds: healedSeconds(fake.jobs(), jobsSeen.latestAt, healing ?? 0),
    peakMiB: replicas.peakMiB,
    timeScale: row.timeScale,
    note: [row.note, ...system.notes].join("; "),
    buildkiteCalls: fake.stackCalls.total,
    seconds: Number(seconds.toFixed(1)),
    complaints: [
      ...complaintsOf(outcomes, system.mayBeGivenUp),
      ...(failed > 0 && row.killsBuilds !== true ? [`${failed} builds failed`] : []),
      ...(overlapping > 0 ? [`${overlapping} jobs had two pods at one time`] : []),
      ...(overlap.outliving.length > 0 ? [`${overlap.outliving.length} pods outlived their Jobs`] : []),
      ...(replicas.crashes > 0 ? [`${replicas.crashes} dispatcher processes ended by themselves`] : []),
      ...fake.violations().slice(0, 5),
      ...system.complaints.slice(0, 5),
    ],
  };
}
