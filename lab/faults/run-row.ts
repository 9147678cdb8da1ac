import type { AdministratorAccess } from "../control-plane";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { complaintsOf, healedSeconds, interrupted, outcomesOf } from "./outcomes";
import type { FaultResult, FaultRow } from "./row";
import { FaultSystem, RECONCILE_SECONDS } from "./system";

/** What every row runs in. */
export interface RowContext {
  readonly admin: KubernetesClient;
  readonly access: AdministratorAccess;
  readonly builds: number;
  readonly webhookOnly: boolean;
  readonly signal: AbortSignal;
}

/** From the end of the harm until everything is over. */
const OVER_SECONDS = 150;
/** The same where nothing can come late, because nobody asks Buildkite. */
const OVER_SECONDS_WEBHOOK_ONLY = 30;
/** A row that hangs ends with this. */
const ROW_SECONDS = 360;
/** Longest wait of a held job that nothing wakes: for its third attempt. */
const HELD_SECONDS = 25;
/** After the last build: the next list of every replica, with its jitter, and a Job and a pod that must not come of it. */
const QUIET_SECONDS = RECONCILE_SECONDS * 1.2 + 2;

/** Runs one row. @throws when it could not be run, or the signal's reason; a row that does not hold is a result. */
export async function runRow(row: FaultRow, index: number, context: RowContext): Promise<FaultResult> {
  const limitSeconds = row.limitSeconds ?? ROW_SECONDS;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(limitSeconds * 1000)]);
  const { admin, access, webhookOnly, builds } = context;
  const system = await FaultSystem.start({
    ...{ admin, access, webhookOnly, signal, builds, timeScale: row.timeScale, setting: row.setting },
    ...{ namespace: `faults-${index}`, seed: 1_000 + index },
  });
  try {
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
  const disturbed = row.isUndisturbed === true ? interrupted(fake.jobs()).length : 0;
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
    note: row.note,
    buildkiteCalls: fake.stackCalls.total,
    seconds: Number(seconds.toFixed(1)),
    complaints: [
      ...complaintsOf(outcomes, system.mayBeGivenUp),
      ...(disturbed > 0 ? [`${disturbed} builds were ended by something else than their own command`] : []),
      ...(overlapping > 0 ? [`${overlapping} jobs had two pods at one time`] : []),
      ...(overlap.outliving.length > 0 ? [`${overlap.outliving.length} pods outlived their Jobs`] : []),
      ...(replicas.crashes > 0 ? [`${replicas.crashes} dispatcher processes ended by themselves`] : []),
      ...fake.violations().slice(0, 5),
      ...system.complaints.slice(0, 5),
    ],
  };
}
