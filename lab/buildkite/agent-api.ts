import { gunzipSync } from "node:zlib";
import { HttpProblem, jsonObject, type FakeRequest, type FakeResponse, type Route } from "./http-routes";
import type { Board } from "./board";
import type { FakeJob } from "./job";

/** What `register` tells the agents, whole seconds of at least 1 (0 makes the real agent panic). */
export interface AgentIntervals {
  readonly ping: number;
  readonly jobStatus: number;
  readonly heartbeat: number;
}

const LOG_CHUNK_BYTES = 102_400;

/**
 * The agent API under `/v3`, as agent v3.130.0 speaks it (the wire contract that was read and verified against the real
 * binary): lifecycle routes only. Each route checks its own kind of token. What a client does against the rules is
 * answered with the API's error and remembered in `board.violations`.
 *
 * The calls from inside a build are in job-api.ts. The streaming ping answers 404 like every unknown path, which makes
 * an agent poll.
 */
export function agentApiRoutes(board: Board, intervals: AgentIntervals): Route[] {
  const api = new AgentApi(board, intervals);
  const route = (method: string, path: string, handle: (request: FakeRequest) => FakeResponse): Route => ({
    method,
    path: `/v3${path}`,
    handle,
  });
  return [
    route("POST", "/register", (request) => api.register(request)),
    route("POST", "/connect", (request) => api.connect(request)),
    route("POST", "/heartbeat", (request) => api.heartbeat(request)),
    route("GET", "/ping", (request) => api.ping(request)),
    route("PUT", "/jobs/:id/accept", (request) => api.accept(request)),
    route("PUT", "/jobs/:id/acquire", (request) => api.acquire(request)),
    route("PUT", "/jobs/:id/start", (request) => api.start(request)),
    route("GET", "/jobs/:id", (request) => api.jobState(request)),
    route("POST", "/jobs/:id/chunks", (request) => api.chunk(request)),
    route("POST", "/jobs/:id/header_times", (request) => api.headerTimes(request)),
    route("PUT", "/jobs/:id/finish", (request) => api.finish(request)),
    route("POST", "/disconnect", (request) => api.disconnect(request)),
    route("POST", "/stop", (request) => api.stopping(request)),
  ];
}

class AgentApi {
  constructor(
    private readonly board: Board,
    private readonly intervals: AgentIntervals,
  ) {}

  register(request: FakeRequest): FakeResponse {
    const { token } = request;
    const grant = this.board.reservations.grants.get(token ?? "");
    if (token === undefined || (grant === undefined && !this.board.isAgentToken(token))) {
      throw new HttpProblem(401, "The agent token is not valid");
    }
    if (grant !== undefined && !this.board.reservations.eligible(grant, this.board.job(grant.jobId))) {
      throw new HttpProblem(422, "The job acquisition token is not eligible");
    }
    const body = jsonObject(request);
    const { name, meta_data: tags, ignore_in_dispatches: ignores, version } = body;
    if (typeof name !== "string" || name === "" || typeof version !== "string") {
      throw this.violation(request, 422, "register needs name and version");
    }
    if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) {
      throw this.violation(request, 422, "register needs meta_data, a list of k=v tags");
    }
    const agent = this.board.register(name, tags, ignores === true, token);
    return {
      status: 200,
      body: {
        id: agent.id,
        name: agent.name,
        access_token: agent.accessToken,
        ping_interval: this.intervals.ping,
        job_status_interval: this.intervals.jobStatus,
        heartbeat_interval: this.intervals.heartbeat,
        meta_data: agent.tags,
      },
    };
  }

  connect(request: FakeRequest): FakeResponse {
    this.board.agentCalledWith(request.token).connected = true;
    return { status: 200 };
  }

  heartbeat(request: FakeRequest): FakeResponse {
    this.board.agentCalledWith(request.token);
    const sentAt = jsonObject(request)["sent_at"];
    if (typeof sentAt !== "string" || Number.isNaN(Date.parse(sentAt))) {
      this.violation(request, 200, "heartbeat needs sent_at");
    }
    // Never a 4xx: it would stop the real agent, in some versions for ever.
    return { status: 200, body: { sent_at: sentAt, received_at: new Date().toISOString() } };
  }

  ping(request: FakeRequest): FakeResponse {
    const agent = this.board.agentCalledWith(request.token);
    if (!agent.connected) {
      this.violation(request, 200, "an agent pinged without being connected");
    }
    const job = this.board.assign(agent);
    return { status: 200, body: job === undefined ? {} : { job: { id: job.id } } };
  }

  accept(request: FakeRequest): FakeResponse {
    const agent = this.board.agentCalledWith(request.token);
    return { status: 200, body: jobBody(this.board.accept(this.jobOf(request), agent), agent.tags) };
  }

  acquire(request: FakeRequest): FakeResponse {
    const agent = this.board.agentCalledWith(request.token);
    const job = this.jobOf(request);
    if (request.headers["x-buildkite-lock-acquire-job"] !== "1") {
      throw this.violation(request, 422, "acquire needs the header X-Buildkite-Lock-Acquire-Job: 1");
    }
    if (!/^[0-9]+$/.test(String(request.headers["x-buildkite-backoff-sequence"] ?? ""))) {
      throw this.violation(request, 422, "acquire needs the header X-Buildkite-Backoff-Sequence");
    }
    const queue = agent.tags.find((tag) => tag.startsWith("queue="))?.slice("queue=".length) ?? "default";
    if (queue !== job.queue) {
      // An agent of another queue does not see the job: the agent gives up and exits 0 without having run it.
      throw this.violation(request, 404, `an agent of queue ${queue} asked for a job of queue ${job.queue}`);
    }
    return { status: 200, body: jobBody(this.board.acquire(job, agent), agent.tags) };
  }

  start(request: FakeRequest): FakeResponse {
    const job = this.board.jobCalledWith(request.params["id"] ?? "", request.token);
    this.board.start(job);
    return { status: 200 };
  }

  jobState(request: FakeRequest): FakeResponse {
    return {
      status: 200,
      body: { state: this.board.jobCalledWith(request.params["id"] ?? "", request.token).state },
    };
  }

  chunk(request: FakeRequest): FakeResponse {
    const job = this.board.jobCalledWith(request.params["id"] ?? "", request.token);
    const [sequence, offset, size] = ["sequence", "offset", "size"].map((name) => Number(request.query.get(name)));
    let text: Buffer;
    try {
      text = gunzipSync(request.body);
    } catch {
      throw this.violation(request, 422, "a log chunk must be gzip");
    }
    if (
      text.length !== size ||
      text.length > LOG_CHUNK_BYTES ||
      !Number.isInteger(offset) ||
      !(Number(sequence) >= 1)
    ) {
      throw this.violation(request, 422, "a log chunk's sequence, offset or size is wrong");
    }
    this.board.log(job, Number(sequence), text);
    return { status: 201 };
  }

  headerTimes(request: FakeRequest): FakeResponse {
    this.board.jobCalledWith(request.params["id"] ?? "", request.token);
    return { status: 200 };
  }

  finish(request: FakeRequest): FakeResponse {
    const job = this.board.jobCalledWith(request.params["id"] ?? "", request.token);
    const {
      exit_status: exitStatus,
      signal,
      signal_reason: signalReason,
      finished_at: finishedAt,
    } = jsonObject(request);
    if (typeof exitStatus !== "string" || !/^-?[0-9]+$/.test(exitStatus)) {
      throw this.violation(request, 422, "finish needs exit_status, a string");
    }
    if (typeof finishedAt !== "string") {
      throw this.violation(request, 422, "finish needs finished_at");
    }
    this.board.finish(job, {
      exitStatus,
      ...(typeof signal === "string" && signal !== "" ? { signal } : {}),
      ...(typeof signalReason === "string" && signalReason !== "" ? { signalReason } : {}),
    });
    return { status: 200 };
  }

  disconnect(request: FakeRequest): FakeResponse {
    this.board.signOff(this.board.agentCalledWith(request.token));
    return { status: 200 };
  }

  stopping(request: FakeRequest): FakeResponse {
    this.board.stopping(this.board.agentCalledWith(request.token));
    return { status: 200 };
  }

  private jobOf(request: FakeRequest): FakeJob {
    return this.board.job(request.params["id"] ?? "");
  }

  private violation(request: FakeRequest, status: number, message: string): HttpProblem {
    this.board.violations.push(`${request.method} ${request.path}: ${message}`);
    return new HttpProblem(status, message);
  }
}

/** The Job object of accept and acquire. `step` is left out: a signature without a key would make the agent refuse. */
function jobBody(job: FakeJob, tags: readonly string[]): Record<string, unknown> {
  const queue = tags.find((tag) => tag.startsWith("queue="))?.slice("queue=".length) ?? "default";
  return {
    id: job.id,
    token: job.token,
    state: job.state,
    chunks_max_size_bytes: LOG_CHUNK_BYTES,
    chunks_interval_seconds: 1,
    log_max_size_bytes: 1024 * 1024,
    runnable_at: new Date(job.scheduledAt).toISOString(),
    priority: job.priority,
    env: jobEnvironment(job, queue),
  };
}

/** The job's environment for an agent of that queue. */
export function jobEnvironment(job: FakeJob, queue: string): Record<string, string> {
  return {
    BUILDKITE: "true",
    BUILDKITE_JOB_ID: job.id,
    // Wanted also where nothing is checked out; any text will do then.
    BUILDKITE_REPO: job.repository ?? "git@git.example:acme-inc/web.git",
    BUILDKITE_COMMIT: job.commit,
    BUILDKITE_BRANCH: job.branch,
    // Without it an agent fetches the head of a pull request without a number.
    BUILDKITE_PULL_REQUEST: "false",
    BUILDKITE_AGENT_NAME: job.agentName ?? "agent",
    BUILDKITE_ORGANIZATION_SLUG: "acme-inc",
    BUILDKITE_PIPELINE_SLUG: job.pipeline,
    BUILDKITE_PIPELINE_PROVIDER: "github",
    BUILDKITE_BUILD_ID: job.buildId,
    BUILDKITE_BUILD_NUMBER: String(job.buildNumber),
    BUILDKITE_BUILD_URL: `https://buildkite.com/acme-inc/${job.pipeline}/builds/${job.buildNumber}`,
    BUILDKITE_AGENT_META_DATA_QUEUE: queue,
    ...(job.repository === undefined ? { BUILDKITE_SKIP_CHECKOUT: "true" } : {}),
    BUILDKITE_COMMAND: job.command,
    ...job.env,
  };
}
