import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

export interface CommandOutcome {
  /** 128 plus the signal's place where it did not end by itself. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a command in a process group of its own. On abort the group gets SIGINT, so that the engine can finish or undo
 * what it is doing, then a second one, then SIGKILL.
 */
export async function runCommand(
  command: string,
  commandArguments: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; input?: string; signal?: AbortSignal; graceMs?: number },
): Promise<CommandOutcome> {
  options.signal?.throwIfAborted();
  const child = spawn(command, commandArguments, {
    cwd: options.cwd,
    env: options.env,
    // A group of its own: a Ctrl-C at the terminal reaches the lab alone, which then decides in what order to end things.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const [stdout, stderr]: [string[], string[]] = [[], []];
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text));
  // The command may end without reading.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve(code ?? (signal === "SIGKILL" ? 137 : 130));
    });
  });
  const onAbort = (): void => {
    void endGroup(child, ended, options.graceMs ?? 10_000);
  };
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const exitCode = await ended;
    return { exitCode, stdout: stdout.join(""), stderr: stderr.join("") };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

async function endGroup(child: ChildProcess, ended: Promise<unknown>, graceMs: number): Promise<void> {
  const over = ended.then(
    () => true,
    () => true,
  );
  for (const [signal, ms] of [
    ["SIGINT", graceMs],
    ["SIGINT", 2_000],
    ["SIGKILL", 0],
  ] as const) {
    if (child.pid === undefined) {
      return;
    }
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The group is empty.
      return;
    }
    if (await Promise.race([over, delay(ms, false, { ref: false })])) {
      return;
    }
  }
}
