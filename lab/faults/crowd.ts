import { METRIC_PREFIX } from "../../dispatcher/metrics";
import type { FaultSystem } from "./system";

/** Memory that each dispatcher may have in that row, MiB. */
export const LIMIT_MIB = 128;
/** 300 builds make 10,000 jobs. */
const JOBS_PER_BUILD = 100 / 3;
const PER_SECOND = 300;
/** What one replica may create before the other's watch shows it, on a busy machine: 37 were seen on one that was overloaded. */
const UNSEEN_CREATES = 64;
/** How often each replica's list is seen to have come to its end after the last job: so one of them had all jobs in it. */
const LISTS = 2;
/** A list of 10,000 is 100 pages, and the dispatcher asks for no more than its share of Buildkite's limit. */
const LISTS_SECONDS = 300;
const LISTED_AT = new RegExp(`^${METRIC_PREFIX}buildkite_last_list_timestamp_seconds (\\S+)$`, "m");

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
    await Promise.all(system.replicas.list().map(({ operationsUrl }) => listWhole(system, operationsUrl)));
    notes.push(`${jobs} jobs scheduled, ${waiting} of them at Buildkite when the last had come`);
  } finally {
    clearInterval(counting);
  }
  for (const { id, state } of fake.jobs()) {
    if (state === "scheduled" || state === "reserved") {
      fake.cancel(id);
    }
  }
  // The cap is soft by the creates that one replica has under way, or has just made, before the other's watch shows them.
  notes.push(`at most ${mostLive} live Jobs with a cap of ${cap}`);
  if (mostLive > cap + UNSEEN_CREATES) {
    complaints.push(`${mostLive} live Jobs at one time, with a cap of ${cap} and ${UNSEEN_CREATES} beyond it allowed`);
  }
  await judgeMemory(system);
  if (memoryLimits.length > 0) {
    const peaks = await Promise.all(memoryLimits.map((limit) => limit.peakMiB()));
    notes.push(`control groups of ${LIMIT_MIB} MiB each, of which ${peaks.join(" and ")} were used at most`);
  }
  return Date.now();
}

/** Waits until a dispatcher has read the whole list {@link LISTS} times from now on. */
async function listWhole(system: FaultSystem, operationsUrl: string): Promise<void> {
  if (system.options.webhookOnly) {
    return;
  }
  const seen = new Set<string>();
  const end = Date.now() + LISTS_SECONDS * 1000;
  while (seen.size <= LISTS) {
    const metrics = await (await fetch(`${operationsUrl}/metrics`, { signal: system.signal })).text();
    seen.add(LISTED_AT.exec(metrics)?.[1] ?? "");
    if (Date.now() > end) {
      system.complaints.push(`a dispatcher did not list all jobs ${LISTS} times in ${LISTS_SECONDS} s`);
      return;
    }
    await system.wait(0.5);
  }
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
