import { UUID_PATTERN } from "../../components/contract";
import { fieldsOf } from "../fields";
import { readTime } from "../job-scheduled";
import type { StacksCall, StacksConnection } from "./stacks-connection";
import { isStatus } from "./stacks-error";

/** A job of the list, as far as it is used. */
export interface ListedJob {
  readonly uuid: string;
  /** Higher is first; 0 where Buildkite says nothing. */
  readonly priority: number;
  readonly agentQueryRules: readonly string[];
  /** Milliseconds since 1970. */
  readonly scheduledAt?: number;
  /** Slug. */
  readonly pipeline: string;
}

/** A page of the list of a queue's scheduled jobs. */
export interface ScheduledPage {
  readonly jobs: ListedJob[];
  /** Entries without a UUID, or with rules that are none; left out. */
  readonly malformed: number;
  /** Whether somebody has paused the queue. */
  readonly paused: boolean;
}

export interface StacksClientOptions {
  connection: StacksConnection;
  /** One for all replicas. */
  stackKey: string;
  /** Keys of the served queues; at least one. */
  queues: readonly string[];
  version: string;
  /** Jobs asked for in one page; default 1000, the most there may be. */
  pageSize?: number;
}

const UUID = new RegExp(UUID_PATTERN);
/** Jobs in one call, by the API's limit. */
const MOST_JOBS = 1000;
/** Far more pages than a queue can fill: a server that never ends its list does not keep us for ever. */
const MOST_PAGES = 1000;
/** Further calls that it may take to find which job of a batch Buildkite does not know. */
const MOST_SPLITS = 64;
const MOST_RULES = 100;
const LONGEST_DETAIL_BYTES = 4096;
const LONGEST_NOTE = 255;

/** The calls of Buildkite's Stacks API that the dispatcher makes. Unknown fields are ignored, unknown states handed on. */
export class StacksClient {
  readonly #options: StacksClientOptions;
  readonly #stack: string;
  #registering: Promise<void> | undefined;

  constructor(options: StacksClientOptions) {
    this.#options = options;
    this.#stack = `/stacks/${options.stackKey}`;
  }

  /** Makes the stack known, or says that it is there; for the first of the queues that Buildkite knows. */
  register(signal: AbortSignal): Promise<void> {
    this.#registering ??= this.#register(signal).finally(() => (this.#registering = undefined));
    return this.#registering;
  }

  /** The scheduled jobs of a queue, page by page; a page may repeat a job. */
  async *listScheduledJobs(queueKey: string, signal: AbortSignal): AsyncGenerator<ScheduledPage, void, void> {
    let after: string | undefined;
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const query = new URLSearchParams({ queue_key: queueKey, limit: String(this.#options.pageSize ?? MOST_JOBS) });
      if (after !== undefined) {
        query.set("after", after);
      }
      const path = `${this.#stack}/scheduled-jobs?${query.toString()}`;
      const answer = await this.#registered({ kind: "list", method: "GET", path }, signal);
      yield pageOf(answer);
      const { has_next_page: more, end_cursor: cursor } = fieldsOf(fieldsOf(answer)["page_info"]);
      if (more !== true || typeof cursor !== "string" || cursor === after) {
        return;
      }
      after = cursor;
    }
  }

  /** The states of jobs; those that Buildkite does not know are not among them. */
  async getStates(uuids: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
    const states = new Map<string, string>();
    const batches: (readonly string[])[] = [];
    for (let start = 0; start < uuids.length; start += MOST_JOBS) {
      batches.push(uuids.slice(start, start + MOST_JOBS));
    }
    let splits = MOST_SPLITS;
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      const path = `${this.#stack}/jobs/get-states`;
      try {
        const body = { job_uuids: batch };
        const answer = await this.#registered({ kind: "states", method: "POST", path, body }, signal);
        for (const [uuid, state] of Object.entries(fieldsOf(fieldsOf(answer)["states"]))) {
          if (typeof state === "string") {
            states.set(uuid, state);
          }
        }
      } catch (error) {
        if (!isStatus(error, 404, 422)) {
          throw error;
        }
        // One of them is unknown, and the documents do not say whether that refuses them all.
        const half = Math.ceil(batch.length / 2);
        if (batch.length > 1 && splits-- > 0) {
          batches.push(batch.slice(0, half), batch.slice(half));
        }
      }
    }
    return states;
  }

  /**
   * Ends a job that no agent has, as failed.
   *
   * @param detail for the person who looks at the build; cut at 4 KB.
   * @returns false when Buildkite refuses: it is not ours to end, or has ended already.
   */
  async finish(uuid: string, detail: string, signal: AbortSignal): Promise<boolean> {
    // Always with the status: without it the server's default would decide.
    const body = { exit_status: -1, detail: cutBytes(detail, LONGEST_DETAIL_BYTES) };
    try {
      await this.#registered(
        { kind: "finish", method: "POST", path: `${this.#stack}/jobs/${uuid}/finish`, body },
        signal,
      );
      return true;
    } catch (error) {
      if (isStatus(error, 400, 403, 404, 409, 422)) {
        return false;
      }
      throw error;
    }
  }

  /** Writes a note beside a job. @param detail cut at 255 characters. @returns false when Buildkite refuses it. */
  async notify(uuid: string, detail: string, signal: AbortSignal): Promise<boolean> {
    const body = { notifications: [{ job_uuid: uuid, detail: Array.from(detail).slice(0, LONGEST_NOTE).join("") }] };
    try {
      const path = `${this.#stack}/notifications`;
      const answer = await this.#registered({ kind: "notify", method: "POST", path, body }, signal);
      const errors = fieldsOf(answer)["errors"];
      return !Array.isArray(errors) || errors.length === 0;
    } catch (error) {
      if (isStatus(error, 400, 403, 404, 409, 422)) {
        return false;
      }
      throw error;
    }
  }

  /** A call that is none of the above; its path below the stack's. @throws as {@link StacksConnection}. */
  call(call: StacksCall, signal: AbortSignal): Promise<unknown> {
    return this.#registered({ ...call, path: this.#stack + call.path }, signal);
  }

  /** Registers anew where Buildkite has forgotten the stack, once; a second 404 is about something else. */
  async #registered(call: StacksCall, signal: AbortSignal): Promise<unknown> {
    const { connection } = this.#options;
    try {
      return await connection.call(call, signal);
    } catch (error) {
      if (!isStatus(error, 404)) {
        throw error;
      }
    }
    await this.register(signal);
    return connection.call(call, signal);
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { connection, stackKey: key, queues, version } = this.#options;
    let refused: unknown;
    for (const queueKey of queues) {
      try {
        const body = { key, type: "custom", queue_key: queueKey, metadata: { version } };
        await connection.call({ kind: "other", method: "POST", path: "/stacks/register", body }, signal);
        return;
      } catch (error) {
        // This queue may be the only one that is wrong.
        if (!isStatus(error, 400, 404, 422)) {
          throw error;
        }
        refused = error;
      }
    }
    throw refused;
  }
}

function pageOf(answer: unknown): ScheduledPage {
  const { jobs, cluster_queue: queue } = fieldsOf(answer);
  const { dispatch_paused: dispatchPaused, paused } = fieldsOf(queue);
  const entries: unknown[] = Array.isArray(jobs) ? jobs : [];
  const read = entries.map(jobOf).filter((job) => job !== undefined);
  return { jobs: read, malformed: entries.length - read.length, paused: dispatchPaused === true || paused === true };
}

function jobOf(entry: unknown): ListedJob | undefined {
  const job = fieldsOf(entry);
  const { id, priority } = job;
  const rules: unknown = job["agent_query_rules"] ?? [];
  if (typeof id !== "string" || !UUID.test(id)) {
    return undefined;
  }
  // A rule that is left out would send the job where it must not go.
  if (!Array.isArray(rules) || rules.length > MOST_RULES || !rules.every((rule) => typeof rule === "string")) {
    return undefined;
  }
  const slug = fieldsOf(job["pipeline"])["slug"];
  return {
    uuid: id,
    priority: typeof priority === "number" && Number.isFinite(priority) ? priority : 0,
    agentQueryRules: rules,
    scheduledAt: readTime(job["scheduled_at"]),
    pipeline: typeof slug === "string" && slug !== "" ? slug.slice(0, 255) : "unknown",
  };
}

/** At most so many bytes of UTF-8, never half a character. */
function cutBytes(text: string, most: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(bytes.length, most);
  while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) {
    end--;
  }
  return bytes.subarray(0, end).toString("utf8");
}
