import { readFile, readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** A process that cannot be mistaken for another one: ids are used again, start times with them are not. */
export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since the machine booted, as the kernel gives it. */
  startTime: string;
}

/** Who has this id now. Undefined for nobody, and for a process that has ended and only waits for its parent. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold anything, blanks and parentheses too: the fields begin after the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, startTime] = [fields[0], fields[19]];
    if (startTime === undefined || state === "X") return undefined;
    // Its first thread may have ended while others still hold its files and ports.
    if (state === "Z" && (await readdir(`/proc/${pid}/task`)).length <= 1) return undefined;
    return { pid, startTime };
  } catch {
    return undefined;
  }
}

/** Whether exactly this process still runs. */
export async function isRunning(process: ProcessIdentity): Promise<boolean> {
  return (await identify(process.pid))?.startTime === process.startTime;
}

/**
 * All processes whose program was started by a path inside the folder. The control plane's programs are linked into a
 * folder that nobody else uses, so these are its processes, also those of which no id was written down.
 */
export async function findProcessesOf(folder: string): Promise<ProcessIdentity[]> {
  const found: ProcessIdentity[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    // A process that is ending has no command line any more; killProcessesOf remembers those it has seen.
    if (!commandLine.startsWith(`${folder}/`)) continue;
    const process = await identify(Number(name));
    if (process !== undefined) found.push(process);
  }
  return found;
}

const goneMilliseconds = 5000;

/**
 * Kills every process of the folder and waits until they are gone. SIGKILL at once: nothing of theirs is kept, and an API
 * server with open watches takes its time over a SIGTERM.
 *
 * @throws when one of them is still there after 5 s.
 */
export async function killProcessesOf(folder: string): Promise<number> {
  const killed = new Map<number, ProcessIdentity>();
  const deadline = Date.now() + goneMilliseconds;
  for (;;) {
    // Again from the start: one of them may just have been starting another.
    for (const one of await findProcessesOf(folder)) {
      killed.set(one.pid, one);
      if (await isRunning(one)) kill(one.pid);
    }
    const left: number[] = [];
    for (const one of killed.values()) {
      if (await isRunning(one)) left.push(one.pid);
    }
    if (left.length === 0 && (await findProcessesOf(folder)).length === 0) return killed.size;
    if (Date.now() > deadline) throw new Error(`still running after SIGKILL: ${left.join(", ")}`);
    await sleep(10);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
