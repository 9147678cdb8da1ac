import { HttpProblem } from "./http-routes";
import { stateAt, type FakeJob } from "./job";

/** One page of the list of a queue's scheduled jobs. */
export interface ScheduledPage {
  readonly jobs: FakeJob[];
  readonly hasNextPage: boolean;
  /** Null on an empty page. */
  readonly endCursor: string | null;
}

/** Where a job stands in the list: by time, then by id, so that no two jobs stand at one place. */
interface Place {
  readonly at: number;
  readonly id: string;
}

/**
 * A page, oldest first. It is no snapshot: a job that comes back with an older time (its reservation ended) lands behind
 * the cursor and is missed, as documented.
 *
 * @param lagMs the page shows what was so long ago.
 * @throws HttpProblem 400 for a cursor that is none.
 */
export function scheduledPage(
  jobs: Iterable<FakeJob>,
  queue: string,
  limit: number,
  after: string | null,
  lagMs: number,
): ScheduledPage {
  const from = after === null ? undefined : readCursor(after);
  const moment = Date.now() - lagMs;
  const found: FakeJob[] = [];
  for (const job of jobs) {
    const state = lagMs === 0 ? job.state : stateAt(job, moment);
    if (job.queue === queue && state === "scheduled" && (from === undefined || compare(placeOf(job), from) > 0)) {
      found.push(job);
    }
  }
  found.sort((a, b) => compare(placeOf(a), placeOf(b)));
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    jobs: page,
    hasNextPage: found.length > limit,
    endCursor: last === undefined ? null : cursorOf(placeOf(last)),
  };
}

/** A job as the list shows it. */
export function scheduledJobBody(job: FakeJob): Record<string, unknown> {
  return {
    id: job.id,
    priority: job.priority,
    agent_query_rules: job.agentQueryRules,
    scheduled_at: new Date(placeOf(job).at).toISOString(),
    // The fake has no pipeline objects: a real UUID stands here.
    pipeline: { slug: job.pipeline, uuid: null },
    build: { number: job.buildNumber, branch: job.branch, uuid: job.buildId },
    step: { key: null },
  };
}

function placeOf(job: FakeJob): Place {
  return { at: job.runnableAt ?? job.scheduledAt, id: job.id };
}

function compare(a: Place, b: Place): number {
  return a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function cursorOf({ at, id }: Place): string {
  return Buffer.from(`${at} ${id}`).toString("base64");
}

function readCursor(text: string): Place {
  const [, at, id] = /^(\d+) (\S+)$/.exec(Buffer.from(text, "base64").toString("utf8")) ?? [];
  if (at === undefined || id === undefined) {
    throw new HttpProblem(400, "after is not a cursor that this list gave");
  }
  return { at: Number(at), id };
}
