/** An agent's standing at Buildkite: registered, connected, its heartbeat and its calls. */
import { inBackground } from "../in-background";
import type { AgentAnswer, AgentConnection } from "./agent-connection";
import type { AgentSignals } from "./agent-signals";

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

/** What one call may carry; without a token of its own it goes out with the agent's. */
export interface SessionCall {
  readonly token?: string;
  readonly json?: unknown;
  readonly raw?: { readonly bytes: Buffer; readonly headers: Readonly<Record<string, string>> };
  readonly headers?: Readonly<Record<string, string>>;
}

const REGISTER_ATTEMPTS = 30;
const CONNECT_ATTEMPTS = 10;

/** The process ends here with this code. */
export class Exit extends Error {
  constructor(
    readonly code: number,
    readonly refused = false,
  ) {
    super(`exit ${code}`);
  }
}

/** See the top of this file. */
export class AgentSession {
  /** Seconds, as the server gave them. */
  intervals = { ping: 1, jobStatus: 1, heartbeat: 60 };
  private accessToken = "";
  private heartbeat: NodeJS.Timeout | undefined;
  private readonly endpoint: string;

  constructor(private readonly start: AgentStart) {
    this.endpoint = this.setting("BUILDKITE_AGENT_ENDPOINT") ?? start.endpoint;
  }

  /** Ends the heartbeat. */
  close(): void {
    clearInterval(this.heartbeat);
  }

  /** A variable of the container's environment; undefined also when it is empty. */
  setting(name: string): string | undefined {
    const value = this.start.environment[name];
    return value === undefined || value === "" ? undefined : value;
  }

  /** @throws Exit 1 when it is refused, or after the last of its attempts. */
  async register(acquires: boolean): Promise<void> {
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
      if (this.start.signals.hasQuit || this.start.signals.terminated) {
        // No handler is installed yet: the signal kills the process.
        throw new Exit(143);
      }
    }
  }

  /** Connects and begins to beat. @throws Exit 1 after the last of its attempts. */
  async connect(): Promise<void> {
    for (let attempt = 1; (await this.call("POST", "/connect", {})).status !== 200; attempt += 1) {
      if (attempt === CONNECT_ATTEMPTS) {
        throw new Exit(1);
      }
      await this.start.signals.wait(5_000 / this.start.timeScale, false);
    }
    this.heartbeat = setInterval(() => {
      // One that is under way when the agent is killed fails: the agent's own calls tell of that.
      void inBackground(this.call("POST", "/heartbeat", { json: { sent_at: new Date().toISOString() } }));
    }, this.intervals.heartbeat * 1000);
  }

  /** A network failure reads as 599: retryable, as the agent treats it. */
  async call(method: string, path: string, call: SessionCall): Promise<AgentAnswer> {
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
}

/** What the agent tries again. */
export function isRetryable(status: number): boolean {
  return status === 429 || status >= 500;
}
