/**
 * What `buildkite-agent start` (v3.130.0) does, as far as Buildkite and the pod can see it: the calls in their order, the
 * retries, what each refusal leads to, the exit code. The build itself is the wait that its command asks for.
 */
import { gzipSync } from "node:zlib";
import { AgentSession, Exit, isRetryable, type AgentStart } from "./agent-session";

export type { AgentStart } from "./agent-session";

/** How the process ended. */
export interface AgentExit {
  readonly code: number;
  /** The job whose command ran, if one did. */
  readonly ran?: string;
  /** The acquire call was answered 422. */
  readonly refused: boolean;
}

/** A job as acquire and accept hand it out. */
interface AcquiredJob {
  readonly id: string;
  readonly token: string;
  readonly env: Readonly<Record<string, string>>;
}

const ACQUIRE_ATTEMPTS = 7;
/** From the cancel signal to the end of a well-behaved command. */
const CANCEL_MS = 50;

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
    agent.close();
  }
}

class AgentProcess {
  ran: { ran?: string } = {};
  private readonly session: AgentSession;

  constructor(private readonly start: AgentStart) {
    this.session = new AgentSession(start);
  }

  async run(): Promise<number> {
    const acquire = this.session.setting("BUILDKITE_AGENT_ACQUIRE_JOB");
    await this.session.register(acquire !== undefined);
    await this.session.connect();
    if (acquire !== undefined) {
      const job = await this.acquire(acquire);
      if (job !== undefined) {
        await this.work(job);
      }
      if (!this.stopping) {
        // Also after a failed acquire: the next ping decides whether the agent ends well.
        const ping = await this.session.call("GET", "/ping", {});
        if (ping.status >= 400 && ping.status < 500 && ping.status !== 429) {
          throw new Exit(1);
        }
      }
    } else {
      await this.dispatchLoop();
    }
    await this.session.call("POST", "/disconnect", {});
    return 0;
  }

  close(): void {
    this.session.close();
  }

  private get stopping(): boolean {
    return this.start.signals.hasQuit || this.start.signals.terminated;
  }

  /** undefined: given up, the job did not run, and the exit code will not tell. */
  private async acquire(id: string): Promise<AcquiredJob | undefined> {
    for (let attempt = 0; attempt < ACQUIRE_ATTEMPTS && !this.stopping; attempt += 1) {
      const { status, body, retryAfter } = await this.session.call("PUT", `/jobs/${id}/acquire`, {
        headers: { "X-Buildkite-Lock-Acquire-Job": "1", "X-Buildkite-Backoff-Sequence": String(attempt) },
      });
      if (status === 200) {
        return body as unknown as AcquiredJob;
      }
      if (status === 422) {
        await this.session.call("POST", "/disconnect", {});
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
    const idleSeconds = Number(this.session.setting("BUILDKITE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT") ?? 0);
    const once = this.session.setting("BUILDKITE_AGENT_DISCONNECT_AFTER_JOB") === "true";
    let idleSince: number | undefined;
    while (!this.stopping) {
      const { status, body } = await this.session.call("GET", "/ping", {});
      if (status >= 400 && status < 500 && status !== 429) {
        throw new Exit(1);
      }
      const id = (body["job"] as { id?: string } | undefined)?.id;
      const accepted = id === undefined ? undefined : await this.session.call("PUT", `/jobs/${id}/accept`, {});
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
      await this.start.signals.wait(this.session.intervals.ping * 1000, true);
    }
  }

  /** start, the command, its log, finish. */
  private async work(job: AcquiredJob, last = false): Promise<void> {
    const { signals } = this.start;
    const token = job.token;
    const started = await this.session.call("PUT", `/jobs/${job.id}/start`, {
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
      const { status } = await this.session.call("PUT", `/jobs/${job.id}/finish`, {
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
      const untilPoll = this.session.intervals.jobStatus * 1000 * (0.5 + Math.random());
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
      const { status, body } = await this.session.call("GET", `/jobs/${job.id}`, { token: job.token });
      const state = String(body["state"]);
      if (status === 401 || ["canceling", "canceled", "timing_out", "timed_out"].includes(state)) {
        await new Promise((resolve) => setTimeout(resolve, CANCEL_MS));
        return "canceled";
      }
    }
  }

  private async uploadLog(job: AcquiredJob, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await this.session.call("POST", `/jobs/${job.id}/chunks?sequence=1&offset=0&size=${bytes.length}`, {
      token: job.token,
      raw: {
        bytes: gzipSync(bytes),
        headers: { "Content-Type": "text/plain", "Content-Encoding": "gzip" },
      },
    });
  }
}
