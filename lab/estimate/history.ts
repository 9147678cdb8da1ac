/** A job that ran, as far as the estimate needs it. */
export interface HistoryJob {
  /** Of its `queue=` rule; `default` where it has none. */
  readonly queue: string;
  /** Since when an agent could have taken it; epoch milliseconds. */
  readonly runnableAt: number;
  /** How long an agent had it, milliseconds. */
  readonly durationMs: number;
  /** What it waited in reality, milliseconds. */
  readonly waitedMs: number;
}

/** What a history came to. */
export interface History {
  /** By the time they became runnable. */
  readonly jobs: readonly HistoryJob[];
  /** Entries left out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/** An entry that is not what it must be: the text names entry, field, rule and value. */
export class HistoryError extends Error {}

/** Collects jobs out of entries as Buildkite's REST API gives them: builds with `jobs`, or jobs. */
export class HistoryReader {
  private readonly jobs: HistoryJob[] = [];
  private readonly leftOut: Record<string, number> = {};

  /**
   * Takes one entry.
   *
   * @param where the entry's place for error texts, such as `builds.json[3]`.
   * @throws HistoryError
   */
  take(entry: unknown, where: string): void {
    if (!isRecord(entry)) {
      throw new HistoryError(`${where} must be a build or a job (an object), got ${shown(entry)}`);
    }
    const nested = entry["jobs"];
    if (nested === undefined) {
      this.takeJob(entry, where);
    } else if (Array.isArray(nested)) {
      nested.forEach((job: unknown, index) => {
        if (!isRecord(job)) {
          throw new HistoryError(`${where}.jobs[${index}] must be a job (an object), got ${shown(job)}`);
        }
        this.takeJob(job, `${where}.jobs[${index}]`);
      });
    } else {
      throw new HistoryError(`${where}.jobs must be an array of jobs, got ${shown(nested)}`);
    }
  }

  /** All jobs so far, in order. */
  history(): History {
    return { jobs: this.jobs.sort((a, b) => a.runnableAt - b.runnableAt), leftOut: this.leftOut };
  }

  private takeJob(job: Record<string, unknown>, where: string): void {
    const type = job["type"];
    if (typeof type !== "string") {
      throw new HistoryError(`${where}.type must be a job's type such as "script", got ${shown(type)}`);
    }
    if (type !== "script") {
      this.leave("not a command step (waiter, manual, trigger)");
      return;
    }
    const startedAt = time(job, "started_at", where);
    const finishedAt = time(job, "finished_at", where);
    if (startedAt === undefined) {
      this.leave("never started");
      return;
    }
    if (finishedAt === undefined) {
      this.leave("not finished");
      return;
    }
    if (finishedAt < startedAt) {
      throw new HistoryError(
        `${where}.finished_at must not be before started_at, got ${shown(job["finished_at"])} and ${shown(job["started_at"])}`,
      );
    }
    const ready = time(job, "runnable_at", where) ?? time(job, "scheduled_at", where) ?? time(job, "created_at", where);
    if (ready === undefined) {
      throw new HistoryError(
        `${where}.runnable_at must be a time (or else scheduled_at or created_at), got ${shown(job["runnable_at"])}`,
      );
    }
    // Clocks differ: an agent's start may be written down as before the job was runnable.
    const runnableAt = Math.min(ready, startedAt);
    this.jobs.push({
      queue: queueOf(job["agent_query_rules"], where),
      runnableAt,
      durationMs: finishedAt - startedAt,
      waitedMs: startedAt - runnableAt,
    });
  }

  private leave(reason: string): void {
    this.leftOut[reason] = (this.leftOut[reason] ?? 0) + 1;
  }
}

const RFC3339 = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?\s?(Z|UTC|[+-]\d\d:?\d\d)$/;

/** Two spellings were seen in the API: RFC 3339, and `2018-07-01 20:14:38 UTC`. */
function time(job: Record<string, unknown>, field: string, where: string): number | undefined {
  const value = job[field];
  if (value === undefined || value === null) {
    return undefined;
  }
  const at =
    typeof value === "string" && RFC3339.test(value)
      ? Date.parse(value.replace(/\s?UTC$/, "Z").replace(" ", "T"))
      : Number.NaN;
  if (Number.isNaN(at)) {
    throw new HistoryError(
      `${where}.${field} must be a time such as "2026-11-20T03:24:44.771Z" or null, got ${shown(value)}`,
    );
  }
  return at;
}

function queueOf(rules: unknown, where: string): string {
  if (rules === undefined || rules === null) {
    return "default";
  }
  if (!Array.isArray(rules) || !rules.every((rule) => typeof rule === "string")) {
    throw new HistoryError(
      `${where}.agent_query_rules must be an array of strings such as "queue=linux", got ${shown(rules)}`,
    );
  }
  return rules.find((rule) => rule.startsWith("queue="))?.slice("queue=".length) ?? "default";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as an error shows it: short, whatever it is. */
function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
