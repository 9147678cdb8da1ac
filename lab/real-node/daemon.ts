import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** How a long-running program is started. */
export interface DaemonOptions {
  /** For messages: `agents-1: kubelet`. */
  name: string;
  path: string;
  arguments: readonly string[];
  env: NodeJS.ProcessEnv;
  /** Where it writes, appended to. */
  logPath: string;
  cwd: string;
  /** Hears when it ends without having been told to. */
  onUnexpectedEnd: (error: Error) => void;
}

const patternOfErrors = /^(E\d{4}|F\d{4}|panic|fatal|.*level=(error|fatal))/;

/** A program of the node, with its log. Started again, it appends to the same log. */
export class Daemon {
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;
  #stopping = false;

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined;
  }

  get running(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  start(): void {
    if (this.running) return;
    this.#stopping = false;
    const log = openSync(this.#options.logPath, "a");
    try {
      // A session of its own: a signal for our process group is not for it, we stop it in order.
      this.#child = spawn(this.#options.path, this.#options.arguments, {
        detached: true,
        stdio: ["ignore", log, log],
        env: this.#options.env,
        cwd: this.#options.cwd,
      });
      this.#child.on("error", () => undefined);
      this.#child.once("exit", () => void this.#ended());
      this.#child.unref();
    } finally {
      closeSync(log);
    }
  }

  /** SIGTERM, then SIGKILL; waits until it has gone. */
  async stop(graceMilliseconds = 5000): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    this.#stopping = true;
    const exit = once(child, "exit");
    child.ref();
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMilliseconds);
    await exit;
    clearTimeout(timer);
  }

  /**
   * Waits until the question is answered with true, asking again and again.
   *
   * @throws when the program ends meanwhile or the time is over, with its last errors; the signal's reason.
   */
  async until(what: string, ask: () => Promise<boolean>, seconds: number, signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (!(await ask())) {
      signal?.throwIfAborted();
      if (!this.running) throw new Error(`${this.#options.name} ended while starting:\n${await this.lastErrors()}`);
      if (Date.now() > deadline) {
        throw new Error(`${this.#options.name}: ${what} not within ${seconds} s:\n${await this.lastErrors()}`);
      }
      await sleep(50);
    }
  }

  async #ended(): Promise<void> {
    if (this.#stopping) return;
    const { name, onUnexpectedEnd } = this.#options;
    onUnexpectedEnd(new Error(`${name} ended unasked:\n${await this.lastErrors()}`));
  }

  /** The last lines of its log that complain, or the last lines. */
  async lastErrors(): Promise<string> {
    const lines = (await readFile(this.#options.logPath, "utf8").catch(() => "")).trimEnd().split("\n");
    const errors = lines.filter((line) => patternOfErrors.test(line));
    return (errors.length > 0 ? errors : lines).slice(-8).join("\n");
  }
}
