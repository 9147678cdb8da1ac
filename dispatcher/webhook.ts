import type { IncomingMessage, ServerResponse } from "node:http";
import { jobName } from "../components/contract";
import type { Reconcile } from "./buildkite/reconcile";
import type { Connections } from "./connections";
import type { Dispatch } from "./dispatch";
import { readJobScheduled, type ScheduledJob } from "./job-scheduled";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import { RequestBodies } from "./request-body";
import { routeOf } from "./route";
import type { QueueRoute } from "./settings";
import { isSignedBy, readSignatureHeader } from "./signature";
import type { WebhookSecrets } from "./webhook-secrets";
import { JOB_EXISTS, type Outcome, type Work } from "./work";

/** A body may have this many bytes. */
export const BODY_LIMIT_BYTES = 1024 * 1024;

/** All bodies that are being read, together. */
const BODIES_LIMIT_BYTES = 32 * 1024 * 1024;

/** What a sender that found the buffer full, or was crowded out, is asked to wait. */
const RETRY_AFTER_SECONDS = 5;

export interface WebhookOptions {
  secrets: WebhookSecrets;
  queues: readonly QueueRoute[];
  dispatch: Dispatch;
  /** Where jobs wait their turn at Buildkite; `undefined` in webhook-only. */
  reconcile?: Pick<Reconcile, "defer" | "missed">;
  connections: Connections;
  metrics: Metrics;
  log: Log;
  /** How long a webhook waits for its Job before it is answered 202. */
  answerWithinMs: number;
  /** Milliseconds since 1970; default the system's clock. */
  now?: () => number;
}

interface Answer {
  status: number;
  /** For the person who looks at the webhook's last deliveries at Buildkite. */
  body?: Record<string, string>;
  event?: string;
  retryAfter?: boolean;
  /** The rest of the request is not read. */
  unread?: boolean;
}

/** `POST /webhook`: nothing of a body is looked at before its signature was found to be right. */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #bodies = new RequestBodies(BODY_LIMIT_BYTES, BODIES_LIMIT_BYTES);
  readonly #rejections = new Map<string, { at: number; unsaid: number }>();
  /** When the last genuine webhook came, in milliseconds since 1970; 0 for none. */
  lastGenuineAt = 0;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Answers one request. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrivedAt = performance.now();
    const { socket } = request;
    try {
      const answer = await this.#answer(request, arrivedAt);
      if (answer !== undefined) {
        this.#options.metrics.webhooks.inc({ event: answer.event ?? "none", status: answer.status });
        send(response, answer);
      }
    } finally {
      this.#options.connections.release(socket);
    }
  }

  /** `undefined`: there is nothing more to say to this connection. */
  async #answer(request: IncomingMessage, arrivedAt: number): Promise<Answer | undefined> {
    const { secrets, connections, now = Date.now } = this.#options;
    if (request.method !== "POST") {
      return this.#reject(405, "method");
    }
    if (Number(request.headers["content-length"] ?? 0) > BODY_LIMIT_BYTES) {
      this.#tooLarge(request);
      return undefined;
    }
    const header = request.headers["x-buildkite-signature"];
    const signature = readSignatureHeader(typeof header === "string" ? header : undefined, now() / 1000);
    if (typeof signature === "string") {
      return this.#reject(401, signature);
    }
    const body = await this.#bodies.read(request);
    switch (body) {
      case "too_large":
        this.#tooLarge(request);
        return undefined;
      case "crowded_out":
        return { ...this.#reject(503, "crowded_out"), retryAfter: true, unread: true };
      case "cut":
        this.#reject(400, "cut");
        return undefined;
    }
    if (!isSignedBy(secrets.accepted, signature, body)) {
      return this.#reject(401, "signature_wrong");
    }
    connections.hold(request.socket);
    this.lastGenuineAt = now();
    let payload: unknown;
    try {
      payload = JSON.parse(body.toString("utf8"));
    } catch {
      // What the parser says would quote the payload.
      return this.#reject(400, "not_json");
    }
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      return this.#reject(400, "not_json");
    }
    return this.#genuine(payload as Record<string, unknown>, arrivedAt);
  }

  /** Not async: while the job waits, nothing may hold the payload, which in memory is several times its bytes. */
  #genuine(payload: Record<string, unknown>, arrivedAt: number): Answer | Promise<Answer> {
    const { metrics, log, queues } = this.#options;
    const job = readJobScheduled(payload);
    if ("ignored" in job) {
      metrics.ignored.inc({ cause: job.ignored });
      const level = job.ignored === "malformed" ? "error" : "info";
      log[level]("webhook ignored", { cause: job.ignored, of: job.event, field: job.field });
      return { status: 204, event: job.event };
    }
    const event = "job.scheduled";
    const route = routeOf(job, queues);
    if (typeof route === "string") {
      metrics.ignored.inc({ cause: `not_served_${route}` });
      log.info("webhook ignored", { cause: "not_served", by: route, uuid: job.uuid, pipeline: job.pipeline });
      return { status: 204, event };
    }
    return this.#dispatch(job, route, arrivedAt).then((answer) => ({ ...answer, event }));
  }

  async #dispatch(scheduled: ScheduledJob, route: QueueRoute, arrivedAt: number): Promise<Answer> {
    const { dispatch, reconcile, metrics, log } = this.#options;
    const { uuid, pipeline, buildUrl, runnableAt } = scheduled;
    const why = dispatch.holds(uuid) ? undefined : reconcile?.defer(route.key);
    if (why !== undefined) {
      metrics.decisions.inc({ queue: route.key, outcome: "deferred" });
      metrics.deferred.inc({ queue: route.key, cause: why });
      log.info("job", { decision: "deferred", source: "webhook", uuid, queue: route.key, pipeline, why });
      return { status: 200, body: { job: jobName(uuid), outcome: "deferred" } };
    }
    const job = { uuid, queue: route.key, pipeline, buildUrl };
    const work: Work = { job, route, runnableAt, arrivedAt, source: "webhook" };
    const decided = dispatch.submit(work);
    if (decided === undefined) {
      reconcile?.missed();
      return { ...this.#reject(503, "buffer_full", uuid), retryAfter: true };
    }
    const outcome = await within(decided, this.#options.answerWithinMs);
    const body = { job: jobName(uuid), outcome: outcome ?? "held" };
    if (outcome === undefined) {
      return { status: 202, body };
    }
    return { status: statusOf(outcome), body };
  }

  #reject(status: number, cause: string, uuid?: string): Answer {
    const { metrics, log } = this.#options;
    metrics.rejected.inc({ cause });
    // One line a second for each cause: a flood is a number, not a log.
    const now = performance.now();
    const last = this.#rejections.get(cause);
    if (last !== undefined && now - last.at < 1000) {
      last.unsaid++;
    } else {
      this.#rejections.set(cause, { at: now, unsaid: 0 });
      log.warn("webhook rejected", { cause, status, uuid, unsaid: last?.unsaid });
    }
    return { status, body: { error: cause } };
  }

  /**
   * Answers and then reads no further. An ordinary answer would make Node read the rest, and closing at once would reset
   * the connection before the sender has seen why.
   */
  #tooLarge(request: IncomingMessage): void {
    this.#reject(413, "too_large");
    this.#options.metrics.webhooks.inc({ event: "none", status: 413 });
    const { socket } = request;
    request.pause();
    socket.end("HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    setTimeout(() => socket.destroy(), 1000).unref();
  }
}

function statusOf(outcome: Outcome): number {
  if (JOB_EXISTS.has(outcome) || outcome === "deferred") {
    return 200;
  }
  return outcome === "foreign" ? 409 : outcome === "lost" ? 503 : 500;
}

function send(response: ServerResponse, { status, body, retryAfter, unread }: Answer): void {
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, {
    ...(status === 204 ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
    ...(status === 405 ? { allow: "POST" } : {}),
    ...(unread === true ? { connection: "close" } : {}),
    ...(retryAfter === true ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {}),
  });
  response.end(text);
}

/** The value of a promise that is never rejected, or `undefined` when it takes longer. */
function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(undefined);
    }, milliseconds);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
