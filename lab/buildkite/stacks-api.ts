/**
 * The Stacks API, as documented (2026-08): registration, the list of scheduled jobs, reservations, states, finish,
 * notifications, job acquisition tokens; the documented limits per stack and second; its errors.
 *
 * A call that Buildkite would refuse for what it is (400, a wrong registration, too many per second) is refused and
 * remembered in `board.violations`. A call that lost a race (a job that has moved on, a stack that is gone) is only refused:
 * the best of clients makes those.
 *
 * Does not prove: what Buildkite does where its documentation is silent. Each such choice is said beside it.
 */
import { randomBytes } from "node:crypto";
import { jobEnvironment } from "./agent-api";
import type { Board } from "./board";
import type { Faults } from "./faults";
import { HttpProblem, type FakeRequest, type FakeResponse, type Route } from "./http-routes";
import type { FakeJob } from "./job";
import { scheduledJobBody, scheduledPage } from "./scheduled-jobs";
import { storeNotifications } from "./stack-notifications";
import { readFinish, readJobUuids, readLimit, readRegistration, readSeconds } from "./stack-requests";
import { stackRoutes } from "./stack-route";
import type { Stacks } from "./stacks";

/** What the API works on. */
export interface StacksApiContext {
  readonly board: Board;
  readonly stacks: Stacks;
  readonly organizationId: string;
  faults(): Faults;
  /** The id of a self-hosted queue, its key; the default queue's for its two aliases. @throws HttpProblem 404. */
  queue(key: string): { readonly id: string; readonly key: string };
}

/** Documented is only the most that a page may have. */
const PAGE = 100;

/** The API's table, under `/v3`. */
export function stacksApiRoutes(context: StacksApiContext): Route[] {
  const api = new StacksApi(context);
  const route = stackRoutes(context.board, () => context.faults().unknownFields);
  return [
    route("POST", "/register", (request) => api.register(request)),
    route("POST", "/:key/deregister", (request) => api.deregister(request)),
    route("GET", "/:key/scheduled-jobs", (request) => api.scheduledJobs(request)),
    route("PUT", "/:key/scheduled-jobs/batch-reserve", (request) => api.reserve(request)),
    route("POST", "/:key/jobs/get-states", (request) => api.states(request)),
    route("GET", "/:key/jobs/:id", (request) => api.job(request)),
    route("POST", "/:key/jobs/:id/finish", (request) => api.finish(request)),
    route("POST", "/:key/notifications", (request) => api.notify(request)),
    route("POST", "/:key/job-acquisition-tokens", (request) => api.acquisitionTokens(request)),
  ];
}

class StacksApi {
  constructor(private readonly context: StacksApiContext) {}

  register(request: FakeRequest): FakeResponse {
    this.authorize(request);
    const registration = readRegistration(request);
    const { key: queueKey } = this.context.queue(registration.queueKey);
    const { stack, isNew } = this.context.stacks.register({ ...registration, queueKey });
    return {
      status: isNew ? 201 : 200,
      body: {
        id: stack.id,
        organization_uuid: this.context.organizationId,
        key: stack.key,
        type: stack.type,
        cluster_queue_key: stack.queueKey,
        metadata: stack.metadata,
        last_connected_on: new Date(stack.lastConnectedAt).toISOString(),
        state: "connected",
      },
    };
  }

  deregister(request: FakeRequest): FakeResponse {
    this.context.stacks.forget(this.stack(request));
    return { status: 204 };
  }

  scheduledJobs(request: FakeRequest): FakeResponse {
    this.stack(request);
    const { board } = this.context;
    const { listLagSeconds, pausedQueues, pauseField } = this.context.faults();
    const wanted = request.query.get("queue_key");
    if (wanted === null || wanted === "") {
      throw new HttpProblem(400, "queue_key is required");
    }
    const queue = this.context.queue(wanted);
    const limit = readLimit(request, PAGE);
    board.reservations.expire();
    const after = request.query.get("after");
    const page = scheduledPage(board.jobs.values(), queue.key, limit, after, listLagSeconds * 1000);
    return {
      status: 200,
      body: {
        jobs: page.jobs.map(scheduledJobBody),
        page_info: { has_next_page: page.hasNextPage, end_cursor: page.endCursor },
        cluster_queue: { id: queue.id, [pauseField]: pausedQueues.includes(queue.key) },
      },
    };
  }

  reserve(request: FakeRequest): FakeResponse {
    const stackKey = this.stack(request);
    const ids = readJobUuids(request);
    const seconds = readSeconds(request, "reservation_expiry_seconds", 900, 3_600);
    const { board } = this.context;
    board.reservations.expire();
    const reserved: string[] = [];
    const notReserved: string[] = [];
    for (const id of ids) {
      const job = board.jobs.get(id);
      const isOurs = job?.state === "reserved" && job.reservation?.stackKey === stackKey;
      if (job === undefined || !(job.state === "scheduled" || isOurs)) {
        notReserved.push(id);
        continue;
      }
      const expiresAt = Date.now() + seconds * 1000;
      board.reservations.reserve(job, { stackKey, token: request.token ?? "", expiresAt });
      reserved.push(id);
    }
    return { status: 200, body: { reserved, not_reserved: notReserved } };
  }

  /** Whether ids that are not known are left out or make it a 404 is not documented: both can be had. */
  states(request: FakeRequest): FakeResponse {
    this.stack(request);
    const { board } = this.context;
    const { unknownJobs, unknownStateShare } = this.context.faults();
    board.reservations.expire();
    const states: Record<string, string> = {};
    for (const id of readJobUuids(request)) {
      const job = board.jobs.get(id);
      if (job !== undefined) {
        states[id] = shareOf(job) < unknownStateShare ? "hibernating" : job.state;
      } else if (unknownJobs === "not-found") {
        throw new HttpProblem(404, "Job not found");
      }
    }
    return { status: 200, body: { states } };
  }

  job(request: FakeRequest): FakeResponse {
    this.stack(request);
    const job = this.jobOf(request);
    return { status: 200, body: { id: job.id, env: jobEnvironment(job, job.queue), command: job.command } };
  }

  /** What a job that an agent has answers is not documented: both can be had. */
  finish(request: FakeRequest): FakeResponse {
    const stackKey = this.stack(request);
    const { exitStatus, detail } = readFinish(request);
    const job = this.jobOf(request);
    const { board } = this.context;
    board.reservations.expire();
    const isForeign = job.state === "reserved" && job.reservation?.stackKey !== stackKey;
    const agentHasIt = ["assigned", "accepted", "running"].includes(job.state);
    const isOpen = ["waiting", "limited", "scheduled", "reserved"].includes(job.state) && !isForeign;
    if (!isOpen && !(agentHasIt && this.context.faults().finishAfterAcquire === "accept")) {
      throw new HttpProblem(422, `The job is ${job.state}${isForeign ? " by another stack" : ""}`);
    }
    board.finishByStack(job, exitStatus, detail);
    return { status: 200, body: {} };
  }

  notify(request: FakeRequest): FakeResponse {
    this.stack(request);
    return { status: 200, body: { errors: storeNotifications(this.context.board, request) } };
  }

  acquisitionTokens(request: FakeRequest): FakeResponse {
    const stackKey = this.stack(request);
    const ids = readJobUuids(request);
    const seconds = readSeconds(request, "token_lifetime_seconds", 900, 3_600);
    const { reservations, jobs } = this.context.board;
    const { notIssuedShare } = this.context.faults();
    reservations.expire();
    const issued: Record<string, string>[] = [];
    const notIssued: string[] = [];
    for (const id of ids) {
      const job = jobs.get(id);
      const isRefused = job === undefined || shareOf(job) < notIssuedShare;
      if (isRefused || job.state !== "reserved" || job.reservation?.stackKey !== stackKey) {
        notIssued.push(id);
        continue;
      }
      const token = `bkjat_${randomBytes(16).toString("hex")}`;
      const expiresAt = Math.min(Date.now() + seconds * 1000, job.reservation.expiresAt);
      reservations.grants.set(token, { jobId: id, expiresAt });
      issued.push({ job_uuid: id, job_acquisition_token: token, expires_at: new Date(expiresAt).toISOString() });
    }
    return { status: 201, body: { job_acquisition_tokens: issued, not_issued: notIssued } };
  }

  private authorize(request: FakeRequest): void {
    const { token } = request;
    if (token === undefined || !this.context.board.isAgentToken(token)) {
      throw new HttpProblem(401, "The agent token is not valid");
    }
  }

  /** The key of the registered stack that calls. */
  private stack(request: FakeRequest): string {
    this.authorize(request);
    return this.context.stacks.calling(request.params["key"] ?? "").key;
  }

  private jobOf(request: FakeRequest): FakeJob {
    return this.context.board.job(request.params["id"] ?? "");
  }
}

/** A number in [0, 1) that is always the same for one job. */
function shareOf(job: FakeJob): number {
  return parseInt(job.id.slice(0, 8), 16) / 2 ** 32;
}
