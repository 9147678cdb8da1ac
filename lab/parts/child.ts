import { spawn } from "node:child_process";

/** How one child process is run. */
export interface ChildOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Ends the whole process group: SIGTERM, then SIGKILL. */
  signal?: AbortSignal;
  /** The time between the two, 2 s where nothing is said. */
  graceMilliseconds?: number;
}

/** What a child process left behind. Both texts keep only their last 64 KiB. */
export interface ChildResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

const keptCharacters = 65_536;
const defaultGraceMilliseconds = 2000;

/** The process groups that are running. */
const groups = new Set<number>();

// A group of its own does not get the terminal's Ctrl-C, so it must not outlive a process that ends without aborting.
process.once("exit", () => {
  for (const group of groups) killGroup(group, "SIGKILL");
});

/**
 * Runs a command to its end in a process group of its own, so that what it starts (a compiler starts many) ends with it.
 *
 * @returns its exit code, also when that is not 0.
 * @throws what the command could not be started with (ENOENT, EACCES), or the signal's reason once the group is gone.
 */
export async function runChild(
  command: string,
  commandArguments: string[],
  options: ChildOptions = {},
): Promise<ChildResult> {
  options.signal?.throwIfAborted();
  const child = spawn(command, commandArguments, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });

  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout = (stdout + text).slice(-keptCharacters)));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-keptCharacters)));

  const { pid } = child;
  if (pid !== undefined) groups.add(pid);
  let escalation: NodeJS.Timeout | undefined;
  const onAbort = () => {
    killGroup(pid, "SIGTERM");
    escalation = setTimeout(killGroup, options.graceMilliseconds ?? defaultGraceMilliseconds, pid, "SIGKILL");
  };
  options.signal?.addEventListener("abort", onAbort, { once: true });

  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (options.signal?.aborted === true) {
      // The first process may end before those it started.
      killGroup(pid, "SIGKILL");
      options.signal.throwIfAborted();
    }
    return { code, stdout, stderr };
  } finally {
    clearTimeout(escalation);
    options.signal?.removeEventListener("abort", onAbort);
    if (pid !== undefined) groups.delete(pid);
  }
}

function killGroup(group: number | undefined, signal: NodeJS.Signals): void {
  if (group === undefined) return;
  try {
    process.kill(-group, signal);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}
