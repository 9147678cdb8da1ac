/**
 * States of a script job, by Buildkite's names. `waiting` and `limited` are not runnable (acquire answers 423);
 * `reserved` is held by a stack; `assigned` was handed to an agent by a ping but not accepted yet.
 */
export type FakeJobState =
  | "waiting"
  | "limited"
  | "scheduled"
  | "reserved"
  | "assigned"
  | "accepted"
  | "running"
  | "canceling"
  | "canceled"
  | "finished";

/** A moment in a job's life; listeners of {@link FakeBuildkite} hear each as it happens. */
export type JobMoment =
  | "scheduled"
  | "webhook"
  | "acquired"
  | "refused"
  | "started"
  | "first-log"
  | "finished"
  | "canceled"
  | "agent-stopping"
  | "agent-disconnected";

/** What became of one webhook. */
export interface WebhookDelivery {
  readonly event: string;
  /** Base URL it went to; undefined when no target was alive. */
  readonly target?: string;
  /** Epoch milliseconds. */
  readonly sentAt: number;
  /** Epoch milliseconds; undefined when no answer came. */
  readonly answeredAt?: number;
  /** HTTP status; undefined when no answer came. */
  readonly status?: number;
  /** What the answer says was done: `outcome`, where its body is a small JSON object that has it as a text. */
  readonly outcome?: string;
  /** Why no answer came. */
  readonly error?: string;
}

/** How a job ended, in the words of the agent's `finish` call. */
export interface JobResult {
  /** A string, as on the wire: "0", "3", "-1". */
  readonly exitStatus: string;
  readonly signal?: string;
  /** `agent_stop`, `cancel`, ...; `agent_lost` is written by the fake itself. */
  readonly signalReason?: string;
}

/** A stack's claim on a job. */
export interface FakeReservation {
  readonly stackKey: string;
  /** The agent token of the call that reserved it. */
  readonly token: string;
  readonly expiresAt: number;
}

/** A stack's word on a job, shown on its build's page. */
export interface StackNotification {
  readonly at: number;
  readonly detail: string;
}

/** One Buildkite job and everything the fake saw of it. All times are epoch milliseconds. */
export interface FakeJob {
  readonly id: string;
  readonly buildId: string;
  readonly buildNumber: number;
  readonly pipeline: string;
  readonly queue: string;
  /** Higher goes first. */
  readonly priority: number;
  /** As in `job.agent_query_rules`, e.g. `["queue=linux"]`. */
  readonly agentQueryRules: readonly string[];
  /** What the agent runs. */
  readonly command: string;
  /** Where a real agent clones from; undefined for a build without a checkout. */
  readonly repository: string | undefined;
  readonly commit: string;
  readonly branch: string;
  /** More of the job's environment; goes over what the fake sets itself. */
  readonly env: Readonly<Record<string, string>>;
  state: FakeJobState;
  /** Every state it had and since when, oldest first; the last one is `state`. {@link move} writes both. */
  readonly history: { readonly state: FakeJobState; readonly at: number }[];
  /** While it is reserved, and after: of the last stack that reserved it. */
  reservation?: FakeReservation;
  /** Set when a stack finished it instead of an agent. */
  stackFinish?: StackNotification;
  readonly notifications: StackNotification[];
  /** Authorises the calls from `start` to `finish`. */
  readonly token: string;
  readonly scheduledAt: number;
  /** When it became runnable again after it had been limited or waiting; undefined: with `scheduledAt`. */
  runnableAt?: number;
  /** When the agent that got the job had registered. */
  registeredAt?: number;
  acquiredAt?: number;
  startedAt?: number;
  /** When the first piece of its log arrived; agents send one about every second. */
  firstLogAt?: number;
  finishedAt?: number;
  canceledAt?: number;
  /** When its agent said that it is stopping (agents newer than 3.130 do, at their first SIGTERM). */
  agentStoppingAt?: number;
  /** When its agent signed off. */
  agentDisconnectedAt?: number;
  /** When its agent was given up for lost; the job ended with that. */
  lostAt?: number;
  /** The agent that has or had it. */
  agentId?: string;
  agentName?: string;
  /** Calls of `start`, refused ones included: more than one means that the build was run twice. */
  starts: number;
  /** Acquire calls that were refused with 422. */
  refusals: number;
  result?: JobResult;
  /** Deliveries of `job.scheduled`, one per sending. */
  readonly webhooks: WebhookDelivery[];
  /** Deliveries of `job.started` and `job.finished`. */
  readonly laterWebhooks: WebhookDelivery[];
  /** Log text by chunk sequence, uncompressed; `logOf` puts it together. */
  readonly chunks: Map<number, Buffer>;
}

/** What to schedule. */
export interface BuildRequest {
  /** Key of the queue; becomes the rule `queue=<key>`. */
  readonly queue: string;
  /** Real seconds a build without a `command` of its own runs. Default 0. */
  readonly seconds?: number;
  /** Default 0; higher goes first. */
  readonly priority?: number;
  /** Default `web`. */
  readonly pipeline?: string;
  /** What a build without a `command` of its own exits with. Default 0. */
  readonly exitStatus?: number;
  /** What a real agent's shell runs. Default: wait `seconds`, exit with `exitStatus`. */
  readonly command?: string;
  /** What a real agent clones. Default: none, and no checkout. */
  readonly repository?: string;
  /** Default `HEAD`: what the branch points at. */
  readonly commit?: string;
  /** Default `main`. */
  readonly branch?: string;
  /** More environment of the job. */
  readonly env?: Readonly<Record<string, string>>;
  /** More rules than the queue's, e.g. `["docker=true"]`. */
  readonly agentQueryRules?: readonly string[];
  /** Default `scheduled`; `waiting` and `limited` jobs send their webhook when they are released. */
  readonly state?: "scheduled" | "waiting" | "limited";
}

/** Jobs by outcome: every job is in exactly one of ranOnce, twice, interrupted, canceled and lost. */
export interface JobSummary {
  readonly scheduled: number;
  /** Started once and finished by its own command's end. */
  readonly ranOnce: number;
  /** Started more than once (the second start was refused, but something tried to run it). */
  readonly twice: number;
  /** Started once, then stopped with its agent (`agent_stop`, `cancel` or a lost agent), or ended by the stack. */
  readonly interrupted: number;
  /** Canceled before an agent had it. */
  readonly canceled: number;
  /** Not finished. Says something only once the run is over: before, these are the jobs still to come. */
  readonly lost: number;
  /** Of the lost: those an agent has right now. */
  readonly running: number;
  /** Acquire calls answered with 422, each a pod that was started for nothing. */
  readonly refusedAcquires: number;
  /** `job.scheduled` webhooks that got no 2xx answer. */
  readonly failedWebhooks: number;
}

/** Puts a job into another state, now. */
export function move(job: FakeJob, state: FakeJobState): void {
  job.state = state;
  job.history.push({ state, at: Date.now() });
}

/** The state a job had at that moment; undefined before there was the job. */
export function stateAt(job: FakeJob, epochMs: number): FakeJobState | undefined {
  return job.history.findLast(({ at }) => at <= epochMs)?.state;
}

/** Counts jobs by outcome. */
export function summarize(jobs: Iterable<FakeJob>): JobSummary {
  const count = { scheduled: 0, ranOnce: 0, twice: 0, interrupted: 0, canceled: 0, lost: 0, running: 0 };
  let refusedAcquires = 0;
  let failedWebhooks = 0;
  for (const job of jobs) {
    count.scheduled += 1;
    count[outcome(job)] += 1;
    count.running += job.state === "running" || job.state === "canceling" ? 1 : 0;
    refusedAcquires += job.refusals;
    failedWebhooks += job.webhooks.filter(({ status }) => status === undefined || status < 200 || status > 299).length;
  }
  return { ...count, refusedAcquires, failedWebhooks };
}

function outcome(job: FakeJob): "ranOnce" | "twice" | "interrupted" | "canceled" | "lost" {
  if (job.starts > 1) {
    return "twice";
  }
  if (job.state === "canceled" && job.starts === 0) {
    return "canceled";
  }
  if (job.result === undefined || (job.state !== "finished" && job.state !== "canceled")) {
    return "lost";
  }
  return job.starts === 1 && job.result.signalReason === undefined ? "ranOnce" : "interrupted";
}
