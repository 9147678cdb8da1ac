import type { FaultSystem } from "./system";
import { RECONCILE_SECONDS } from "./system";

/** Memory that each dispatcher may have in that row, MiB. */
export const LIMIT_MIB = 128;
/** 300 builds make 10,000 jobs. */
const JOBS_PER_BUILD = 100 / 3;
const PER_SECOND = 300;
const REPLICAS = 2;
/** How long all of them are there, in whole lists of each replica. */
const LISTS = 3;

/**
 * Schedules far more jobs than the cap lets in, sees that they stay at Buildkite and that each dispatcher stays within
 * its memory, and then cancels those that have not begun.
 */
export async function crowdUnderLimit(system: FaultSystem, builds: number): Promise<number> {
  const { fake, complaints, notes, jobsSeen, options, memoryLimits } = system;
  const cap = options.setting?.inFlight?.(builds) ?? 0;
  const jobs = Math.round(builds * JOBS_PER_BUILD);
  let mostLive = 0;
  const counting = setInterval(() => {
    mostLive = Math.max(mostLive, jobsSeen.live().size);
  }, 200);
  try {
    await system.schedule(jobs, jobs / PER_SECOND);
    const waiting = fake.jobs().filter(({ state }) => state === "scheduled").length;
    await system.wait(LISTS * RECONCILE_SECONDS * 1.2);
    notes.push(`${jobs} jobs scheduled, ${waiting} of them at Buildkite when the last had come`);
  } finally {
    clearInterval(counting);
  }
  for (const { id, state } of fake.jobs()) {
    if (state === "scheduled" || state === "reserved") {
      fake.cancel(id);
    }
  }
  // The cap is soft: each replica keeps it for itself at once, and for both as soon as it sees the other's creates.
  notes.push(`at most ${mostLive} live Jobs with a cap of ${cap}`);
  if (mostLive > REPLICAS * cap) {
    complaints.push(`${mostLive} live Jobs at one time, with a cap of ${cap} in each of ${REPLICAS} replicas`);
  }
  await judgeMemory(system);
  if (memoryLimits.length > 0) {
    const peaks = await Promise.all(memoryLimits.map((limit) => limit.peakMiB()));
    notes.push(`control groups of ${LIMIT_MIB} MiB each, of which ${peaks.join(" and ")} were used at most`);
  }
  return Date.now();
}

/** By the kernel, where it set the limit; else by what was measured. */
async function judgeMemory({ memoryLimits, complaints, notes, replicas }: FaultSystem): Promise<void> {
  const kills = (await Promise.all(memoryLimits.map((limit) => limit.kills()))).reduce((sum, one) => sum + one, 0);
  if (kills > 0) {
    complaints.push(`the kernel killed ${kills} dispatcher processes for more than ${LIMIT_MIB} MiB`);
  }
  if (memoryLimits.length === 0) {
    notes.push(`no control group could be made here, so no kernel held the limit: the most memory was measured`);
    if (replicas.peakMiB > LIMIT_MIB) {
      complaints.push(`a dispatcher process had ${replicas.peakMiB} MiB, more than ${LIMIT_MIB}`);
    }
  }
}
