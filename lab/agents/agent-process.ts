/**
 * What `buildkite-agent start` (v3.130.0) does, as far as Buildkite and the pod can see it: the calls in their order, the
 * retries, what each refusal leads to, the exit code. The build itself is the wait that its command asks for.
 */
import { gzipSync } from "node:zlib";
import type { AgentAnswer, AgentConnection } from "./agent-connection";
import type { AgentSignals } from "./agent-signals";

/** How the process ended. */
export interface AgentExit {
  readonly code: number;
  /** The job whose command ran, if one did. */
  readonly ran?: string;
  /** The acquire call was answered 422. */
  readonly refused: boolean;
}

/** What the process is started with. */
export interface AgentStart {
  readonly environment: Readonly<Record<string, string>>;
  /** Used when the environment names none. */
  readonly endpoint: string;
  readonly hostname: string;
  readonly connection: AgentConnection;
  readonly signals: AgentSignals;
  /** Divides the agent's own waits (retries, idle time-out); never the build's length. */
  readonly timeScale: number;
}

/** A job as acquire and accept hand it out. */
interface AcquiredJob {
  readonly id: string;
  readonly token: string;
  readonly env: Readonly<Record<string, string>>;
}

const ACQUIRE_ATTEMPTS = 7;
const REGISTER_ATTEMPTS = 30;
const CONNECT_ATTEMPTS = 10;
/** From the cancel signal to the end of a well-behaved command. */
const CANCEL_MS = 50;

class Exit extends Error {
  constructor(
    readonly code: number,
    readonly refused = false,
  ) {
    super(`exit ${code}`);
  }
}

/** Runs one agent from its start to its exit; never rejects. */
export async function runAgent(start: AgentStart): Promise<AgentExit> {
  const agent = new AgentProcess(start);
  try {
    const code = await agent.run();
    return { code: start.signals.killed ? 137 : code, refused: false, ...agent.ran };
  } catch (error) {
    const exit = error instanceof Exit ? error : new Exit(start.signals.killed ? 137 : 1);
    return { code: exit.code, refused: exit.refused, ...agent.ran };
  } finally {
    agent.stopHeartbeat();
  }
}

class AgentProcess {
  ran: { ran?: string } = {};
  private accessToken = "";
  private intervals = { ping: 1, jobStatus: 1, heartbeat: 60 };
  private heartbeat: NodeJS.Timeout | undefined;
  private readonly endpoint: string;

  constructor(private readonly start: AgentStart) {
    this.endpoint = this.setting("BUILDKITE_AGENT_ENDPOINT") ?? start.endpoint;
  }

  async run(): Promise<number> {
    const acquire = this.setting("BUILDKITE_AGENT_ACQUIRE_JOB");
    await this.register(acquire !== undefined);
    await this.connect();
    if (acquire !== undefined) {
      const job = await this.acquire(acquire);
      if (job !== undefined) {
        await this.work(job);
      }
      if (!this.stopping) {
        // Also after a failed acquire: the next ping decides whether the agent ends well.
        const ping = await this.call("GET", "/ping", {});
        if (ping.status >= 400 && ping.status < 500 && ping.status !== 429) {
          throw new Exit(1);
        }
      }
    } else {
      await this.dispatchLoop();
    }
    await this.call("POST", "/disconnect", {});
    return 0;
  }

  stopHeartbeat(): void {
    clearInterval(this.heartbeat);
  }

  private get stopping(): boolean {
    return this.start.signals.hasQuit || this.start.signals.terminated;
  }

  private async register(acquires: boolean): Promise<void> {
    const token = this.setting("BUILDKITE_AGENT_TOKEN");
    if (token === undefined) {
      throw new Exit(1);
    }
    const queue = this.setting("BUILDKITE_AGENT_QUEUE");
    const tags = (this.setting("BUILDKITE_AGENT_TAGS") ?? "").split(",").filter((tag) => tag !== "");
    const json = {
      name: this.setting("BUILDKITE_AGENT_NAME")?.replaceAll("%hostname", this.start.hostname) ?? this.start.hostname,
      hostname: this.start.hostname,
      os: "linux",
      arch: "amd64",
      script_eval_enabled: true,
      ignore_in_dispatches: acquires,
      version: "3.130.0",
      build: "simulated",
      meta_data: queue === undefined ? tags : [...tags, `queue=${queue}`],
      features: acquires ? ["acquire-job"] : ["disconnect-after-job"],
    };
    for (let attempt = 1; ; attempt += 1) {
      const { status, body } = await this.call("POST", "/register", { token, json });
      if (status === 200) {
        this.accessToken = String(body["access_token"]);
        this.intervals = {
          ping: Number(body["ping_interval"]),
          jobStatus: Number(body["job_status_interval"]),
          heartbeat: Number(body["heartbeat_interval"]),
        };
        return;
      }
      if (!isRetryable(status) || attempt === REGISTER_ATTEMPTS) {
        throw new Exit(1);
      }
      await this.start.signals.wait(10_000 / this.start.timeScale, true);
      if (this.stopping) {
        // No handler is installed yet: the signal kills the process.
        throw new Exit(143);
      }
    }
  }

  private async connect(): Promise<void> {
    for (let attempt = 1; (await this.call("POST", "/connect", {})).status !== 200; attempt += 1) {
      if (attempt === CONNECT_ATTEMPTS) {
        throw new Exit(1);
      }
      await this.start.signals.wait(5_000 / this.start.timeScale, false);
    }
    this.heartbeat = setInterval(() => {
      void this.call("POST", "/heartbeat", { json: { sent_at: new Date().toISOString() } });
    }, this.intervals.heartbeat * 1000);
  }

  /** undefined: given up, the job did not run, and the exit code will not tell. */
  private async acquire(id: string): Promise<AcquiredJob | undefined> {
    for (let attempt = 0; attempt < ACQUIRE_ATTEMPTS && !this.stopping; attempt += 1) {
      const { status, body, retryAfter } = await this.call("PUT", `/jobs/${id}/acquire`, {
        headers: { "X-Buildkite-Lock-Acquire-Job": "1", "X-Buildkite-Backoff-Sequence": String(attempt) },
      });
      if (status === 200) {
        return body as unknown as AcquiredJob;
      }
      if (status === 422) {
        await this.call("POST", "/disconnect", {});
        throw new Exit(27, true);
      }
      if (!isRetryable(status) && status !== 423) {
        return undefined;
      }
      await this.start.signals.wait((1000 * (retryAfter ?? 2 ** attempt)) / this.start.timeScale, true);
    }
    return undefined;
  }

  private async dispatchLoop(): Promise<void> {
    const idleSeconds = Number(this.setting("BUILDKITE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT") ?? 0);
    const once = this.setting("BUILDKITE_AGENT_DISCONNECT_AFTER_JOB") === "true";
    let idleSince: number | undefined;
    while (!this.stopping) {
      const { status, body } = await this.call("GET", "/ping", {});
      if (status >= 400 && status < 500 && status !== 429) {
        throw new Exit(1);
      }
      const id = (body["job"] as { id?: string } | undefined)?.id;
      const accepted = id === undefined ? undefined : await this.call("PUT", `/jobs/${id}/accept`, {});
      if (accepted?.status === 200) {
        await this.work(accepted.body as unknown as AcquiredJob, once);
        idleSince = undefined;
        if (once) {
          return;
        }
        continue;
      }
      // The idle clock starts at the first ping without work, not at the start of the process.
      idleSince ??= Date.now();
      if (idleSeconds > 0 && Date.now() - idleSince >= (idleSeconds * 1000) / this.start.timeScale) {
        return;
      }
      await this.start.signals.wait(this.intervals.ping * 1000, true);
    }
  }

  /** start, the command, its log, finish. */
  private async work(job: AcquiredJob, last = false): Promise<void> {
    const { signals } = this.start;
    const token = job.token;
    const started = await this.call("PUT", `/jobs/${job.id}/start`, {
      token,
      json: { started_at: new Date().toISOString() },
    });
    if (started.status !== 200) {
      return;
    }
    this.ran = { ran: job.id };
    const command = /^sleep ([0-9.]+)(?:; exit ([0-9]+))?$/.exec(job.env["BUILDKITE_COMMAND"] ?? "");
    const ended = await this.watchCommand(job, Number(command?.[1] ?? 0) * 1000);
    await this.uploadLog(job, `$ ${job.env["BUILDKITE_COMMAND"] ?? ""}\r\n`);
    const result =
      ended === "done"
        ? { exit_status: command === null ? "1" : (command[2] ?? "0") }
        : { exit_status: "-1", signal: "SIGTERM", signal_reason: ended === "canceled" ? "cancel" : "agent_stop" };
    for (let attempt = 0; attempt < 12 && !signals.killed; attempt += 1) {
      const { status } = await this.call("PUT", `/jobs/${job.id}/finish`, {
        token,
        json: {
          ...result,
          finished_at: new Date().toISOString(),
          chunks_failed_count: 0,
          ...(last ? { ignore_agent_in_dispatches: true } : {}),
        },
      });
      if (!isRetryable(status)) {
        return;
      }
      await signals.wait((1000 * 1.58 ** (attempt + 1)) / this.start.timeScale, false);
    }
  }

  /** Waits for the command's end and looks for a cancel meanwhile; SIGTERM alone does not disturb it. */
  private async watchCommand(job: AcquiredJob, ms: number): Promise<"done" | "canceled" | "stopped"> {
    const { signals } = this.start;
    const end = Date.now() + ms;
    for (;;) {
      const left = end - Date.now();
      const untilPoll = this.intervals.jobStatus * 1000 * (0.5 + Math.random());
      await signals.wait(Math.max(0, Math.min(left, untilPoll)), false);
      if (signals.killed) {
        throw new Exit(137);
      }
      if (signals.hasQuit) {
        await new Promise((resolve) => setTimeout(resolve, CANCEL_MS));
        return "stopped";
      }
      if (Date.now() >= end) {
        return "done";
      }
      const { status, body } = await this.call("GET", `/jobs/${job.id}`, { token: job.token });
      const state = String(body["state"]);
      if (status === 401 || ["canceling", "canceled", "timing_out", "timed_out"].includes(state)) {
        await new Promise((resolve) => setTimeout(resolve, CANCEL_MS));
        return "canceled";
      }
    }
  }

  private async uploadLog(job: AcquiredJob, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await this.call("POST", `/jobs/${job.id}/chunks?sequence=1&offset=0&size=${bytes.length}`, {
      token: job.token,
      raw: {
        bytes: gzipSync(bytes),
        headers: { "Content-Type": "text/plain", "Content-Encoding": "gzip" },
      },
    });
  }

  /** A network failure reads as 599: retryable, as the agent treats it. */
  private async call(
    method: string,
    path: string,
    call: {
      token?: string;
      json?: unknown;
      raw?: { bytes: Buffer; headers: Record<string, string> };
      headers?: Record<string, string>;
    },
  ): Promise<AgentAnswer> {
    const { connection, signals } = this.start;
    try {
      const token = call.token ?? this.accessToken;
      return await connection.call(this.endpoint, method, path, { ...call, token, signal: signals.dead });
    } catch {
      if (signals.killed) {
        throw new Exit(137);
      }
      return { status: 599, body: {}, retryAfter: undefined };
    }
  }

  private setting(name: string): string | undefined {
    const value = this.start.environment[name];
    return value === undefined || value === "" ? undefined : value;
  }
}

function isRetryable(status: number): boolean {
  return status === 429 || status >= 500;
}
