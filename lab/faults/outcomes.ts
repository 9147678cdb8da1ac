import type { FakeJob } from "../buildkite";

/** Jobs by what became of them. */
export interface Outcomes {
  readonly scheduled: number;
  /** Started once and over; or its agent was lost with it. */
  readonly ranOnce: number;
  readonly canceled: number;
  readonly lost: number;
  readonly twice: number;
  /** Ended by the stack without having been started. */
  readonly givenUp: number;
  /** Not over, but not lost either: with a live Job, or still to be had at Buildkite. */
  readonly open: number;
}

/**
 * Counts the jobs at the end of a row; each is in exactly one of the counts.
 *
 * @param isLive whether the job has a Kubernetes Job that has not finished.
 */
export function outcomesOf(jobs: Iterable<FakeJob>, isLive: (id: string) => boolean): Outcomes {
  const count = { scheduled: 0, ranOnce: 0, canceled: 0, lost: 0, twice: 0, givenUp: 0, open: 0 };
  for (const job of jobs) {
    count.scheduled += 1;
    count[outcome(job, isLive)] += 1;
  }
  return count;
}

function outcome(job: FakeJob, isLive: (id: string) => boolean): keyof Omit<Outcomes, "scheduled"> {
  if (job.starts > 1) {
    return "twice";
  }
  if (job.state === "finished" || job.state === "canceled") {
    // An agent that died between taking its job and starting it: Buildkite ended it, nobody gave it up.
    const isOver = job.starts === 1 || job.result?.signalReason === "agent_lost";
    return isOver ? "ranOnce" : job.state === "canceled" ? "canceled" : "givenUp";
  }
  const isWaiting = job.state === "scheduled" || job.state === "reserved" || job.state === "limited";
  return isWaiting || isLive(job.id) ? "open" : "lost";
}

/**
 * What of the outcomes a sound row must not have, in words.
 *
 * @param mayBeGivenUp how many jobs are rightly given up.
 */
export function complaintsOf(outcomes: Outcomes, mayBeGivenUp = 0): string[] {
  const { scheduled, ranOnce, canceled, lost, twice, givenUp, open } = outcomes;
  const expected = mayBeGivenUp === 0 ? "" : `, not ${mayBeGivenUp}`;
  const sum = `${ranOnce} run + ${canceled} canceled${mayBeGivenUp === 0 ? "" : ` + ${mayBeGivenUp} given up`}`;
  return [
    ...(lost > 0 ? [`${lost} lost`] : []),
    ...(twice > 0 ? [`${twice} run twice`] : []),
    ...(givenUp === mayBeGivenUp ? [] : [`${givenUp} given up by the dispatcher${expected}`]),
    ...(open > 0 ? [`${open} not run in the time there was`] : []),
    ...(ranOnce + canceled + mayBeGivenUp === scheduled ? [] : [`${sum} of ${scheduled}`]),
  ];
}

/** Builds that were started and then ended by something else than their own command. */
export function interrupted(jobs: Iterable<FakeJob>): FakeJob[] {
  return [...jobs].filter(({ starts, result }) => starts === 1 && result?.signalReason !== undefined);
}

/**
 * Longest time until a job had its Kubernetes Job, in seconds; null when one that was not canceled never had any.
 *
 * @param latestAt when each job's latest Kubernetes Job was seen, epoch milliseconds by id.
 * @param healing when the fault had ended: earlier waiting is the fault's, not the dispatcher's.
 */
export function healedSeconds(
  jobs: Iterable<FakeJob>,
  latestAt: ReadonlyMap<string, number>,
  healing: number,
): number | null {
  let longest = 0;
  for (const { id, state, scheduledAt } of jobs) {
    const at = latestAt.get(id);
    if (at === undefined && state !== "canceled") {
      return null;
    }
    longest = Math.max(longest, (at ?? 0) - Math.max(scheduledAt, healing));
  }
  return Number((longest / 1000).toFixed(1));
}
