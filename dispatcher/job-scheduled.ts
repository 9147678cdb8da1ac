import { UUID_PATTERN } from "../components/contract";
import { fieldsOf, type Fields } from "./fields";

/** What a `job.scheduled` webhook says, as far as it is used; everything else in the payload is dropped at once. */
export interface ScheduledJob {
  readonly uuid: string;
  /** For example `["queue=k8s", "docker=true"]`; empty for the default queue. */
  readonly agentQueryRules: readonly string[];
  /** UUID of the Buildkite cluster; absent for unclustered pipelines. */
  readonly clusterId?: string;
  /** Slug. */
  readonly pipeline: string;
  /** Where a person finds the job. */
  readonly buildUrl?: string;
  /** When Buildkite last made it runnable, in milliseconds since 1970. */
  readonly runnableAt?: number;
}

/** A webhook that asks for nothing, and why. */
export interface NotForUs {
  readonly ignored: "other_event" | "unknown_event" | "job_type" | "malformed";
  /** The event's name where it is one of Buildkite's; a bounded set, so that it can label a metric. */
  readonly event: string;
  /** With `malformed`: the field, never its value. */
  readonly field?: string;
}

/** Events that Buildkite documents. */
const KNOWN_EVENTS = new Set([
  "ping",
  ...["scheduled", "started", "finished", "activated", "promised_exit_status"].map((name) => `job.${name}`),
  ...["scheduled", "running", "failing", "finished", "skipped", "blocked"].map((name) => `build.${name}`),
  ...["connected", "lost", "disconnected", "stopping", "stopped", "blocked"].map((name) => `agent.${name}`),
  "cluster_token.registration_blocked",
]);

const UUID = new RegExp(UUID_PATTERN);
const LONGEST_URL = 1024;
const LONGEST_SLUG = 255;
const MOST_RULES = 100;

/**
 * Reads a webhook's body. The event is taken from the body: the header of that name is not signed. The job's state is
 * not looked at, because a body may show a later state than its event.
 *
 * @param payload the decoded JSON, an object.
 */
export function readJobScheduled(payload: Fields): ScheduledJob | NotForUs {
  const event = payload["event"];
  if (typeof event !== "string" || !KNOWN_EVENTS.has(event)) {
    return { ignored: "unknown_event", event: "unknown" };
  }
  if (event !== "job.scheduled") {
    return { ignored: "other_event", event };
  }
  const malformed = (field: string): NotForUs => ({ ignored: "malformed", event, field });
  const job = fieldsOf(payload["job"]);
  const build = fieldsOf(payload["build"]);
  const pipeline = fieldsOf(payload["pipeline"]);
  const type = job["type"];
  if (typeof type !== "string") {
    return malformed("job.type");
  }
  if (type !== "script") {
    return { ignored: "job_type", event };
  }
  const uuid = job["id"];
  if (typeof uuid !== "string" || !UUID.test(uuid)) {
    return malformed("job.id");
  }
  const rules = job["agent_query_rules"];
  if (!Array.isArray(rules) || rules.length > MOST_RULES || !rules.every((rule) => typeof rule === "string")) {
    return malformed("job.agent_query_rules");
  }
  const slug = pipeline["slug"];
  return {
    uuid,
    agentQueryRules: rules,
    // A job without the field may still be of a cluster: its build or its pipeline says so.
    clusterId: [job, build, pipeline].map((part) => part["cluster_id"]).find((id) => typeof id === "string"),
    pipeline: typeof slug === "string" && slug !== "" ? slug.slice(0, LONGEST_SLUG) : "unknown",
    buildUrl: urlFrom(job["web_url"]) ?? urlFrom(build["web_url"]),
    runnableAt: readTime(job["runnable_at"]),
  };
}

/** Milliseconds since 1970 of the two forms Buildkite sends: RFC 3339, and `2018-07-01 20:14:38 UTC`. */
export function readTime(value: unknown): number | undefined {
  if (typeof value !== "string" || value.length > 40) {
    return undefined;
  }
  const rfc3339 = value.replace(/^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?) UTC$/, "$1T$2Z");
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(rfc3339)) {
    return undefined;
  }
  const time = Date.parse(rfc3339);
  return Number.isNaN(time) ? undefined : time;
}

function urlFrom(value: unknown): string | undefined {
  return typeof value === "string" && value.length <= LONGEST_URL && /^https?:\/\/[^\s]+$/.test(value)
    ? value
    : undefined;
}
