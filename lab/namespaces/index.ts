import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { removeCgroup } from "./cgroups";
import { initName, initScript } from "./init-script";
import { whyNoNamespaces } from "./requirements";
import { recordRun, removeDeadRuns, runCgroup } from "./runs";

export { cgroupVersion, whyNoNamespaces } from "./requirements";
export { newRunId, removeDeadRuns, runCgroup, type DeadRuns } from "./runs";
export { compareHostState, readHostState, type HostState } from "./host-state";

/** What is run in namespaces of its own. */
export interface NamespacesOptions {
  /** The command with its arguments; the first is a program by path or from PATH. */
  argv: readonly [string, ...string[]];
  env?: NodeJS.ProcessEnv;
  /** Stops the program in order: it is sent SIGTERM once. */
  signal?: AbortSignal;
  /** From `newRunId`. */
  runId: string;
  /** Absolute. Made, given to the program as its TMPDIR, and removed at the end with all that is in it. */
  workDir: string;
  print: (line: string) => void;
  /** How long the program may take after it was told to stop, before everything is killed. Default 60,000. */
  stopMilliseconds?: number;
  /** Where its output goes; default: where ours goes. */
  stdio?: "inherit" | "ignore" | "pipe";
  /** Hears the process around the namespaces, for tests. */
  onStarted?: (child: ChildProcess) => void;
}

/** What a program inside is told. */
export interface Inside {
  runId: string;
  workDir: string;
  /** The run's cgroup folder from the root of every hierarchy. */
  cgroup: string;
}

const variable = "BUILDKITE_LAB_NAMESPACES";
const stopMilliseconds = 60_000;

/** Set in a program that was started by `runInNamespaces`; undefined everywhere else. */
export function inside(env: NodeJS.ProcessEnv = process.env): Inside | undefined {
  const text = env[variable];
  return text === undefined ? undefined : (JSON.parse(text) as Inside);
}

/**
 * Runs a program in network, mount and process namespaces of its own and waits for it. Nothing it does to links, mounts and
 * processes outlives it, however it ends; its cgroup folders and its work folder are removed here, and what dead runs left
 * is removed first.
 *
 * The program is in a session of its own: the terminal's Ctrl-C reaches this process alone, whose `signal` tells the
 * program once. It sees no network but what it makes itself.
 *
 * @returns the program's exit code; 128 + n when signal n ended it.
 * @throws where namespaces cannot be had, or the rests cannot be removed.
 */
export async function runInNamespaces(options: NamespacesOptions): Promise<number> {
  const { runId, workDir, print, signal } = options;
  const reason = whyNoNamespaces(options.env);
  if (reason !== undefined) throw new Error(reason);
  signal?.throwIfAborted();
  const dead = await removeDeadRuns(workDir);
  if (dead.cgroups.length > 0 || dead.folders.length > 0) {
    print(`namespaces: cleared away after ${Math.max(dead.cgroups.length, dead.folders.length)} dead run(s)`);
  }
  await mkdir(workDir, { recursive: true, mode: 0o711 });
  await recordRun(workDir, runId);
  try {
    return await run(options);
  } finally {
    await removeCgroup(runCgroup(runId));
    await rm(workDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function run(options: NamespacesOptions): Promise<number> {
  const { runId, workDir, signal } = options;
  const told: Inside = { runId, workDir, cgroup: runCgroup(runId) };
  const output = options.stdio ?? "inherit";
  const namespaces = [
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
    "--propagation",
    "private",
  ];
  const child = spawn("unshare", [...namespaces, "sh", "-c", initScript, initName, runId, ...options.argv], {
    detached: true,
    stdio: ["pipe", output, output],
    env: { ...(options.env ?? process.env), TMPDIR: workDir, [variable]: JSON.stringify(told) },
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, name) => {
      resolve(code ?? 128 + (name === "SIGKILL" ? 9 : 15));
    });
  });
  const { pid, stdin } = child;
  if (pid === undefined) return ended;
  stdin?.on("error", () => undefined);
  const lastResort = () => {
    child.kill("SIGKILL");
  };
  // A process that ends without waiting must not leave them running; its own end closes the pipe, too.
  process.once("exit", lastResort);
  let escalation: NodeJS.Timeout | undefined;
  const stop = () => {
    stdin?.write("TERM\n");
    const patience = options.stopMilliseconds ?? stopMilliseconds;
    escalation = setTimeout(() => {
      options.print(`namespaces: not stopped after ${patience / 1000} s, killing everything inside`);
      lastResort();
    }, patience);
  };
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted === true) stop();
  try {
    await recordRun(workDir, runId, pid);
    options.onStarted?.(child);
    return await ended;
  } finally {
    clearTimeout(escalation);
    signal?.removeEventListener("abort", stop);
    process.removeListener("exit", lastResort);
  }
}
