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
    return startTime === undefined || state === "Z" || state === "X" ? undefined : { pid, startTime };
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
  const killed = new Set<number>();
  const deadline = Date.now() + goneMilliseconds;
  for (;;) {
    // Again from the start: one of them may just have been starting another.
    const found = await findProcessesOf(folder);
    if (found.length === 0) return killed.size;
    if (Date.now() > deadline) {
      throw new Error(`still running after SIGKILL: ${found.map(({ pid }) => pid).join(", ")}`);
    }
    for (const one of found) {
      if (!(await isRunning(one))) continue;
      try {
        process.kill(one.pid, "SIGKILL");
        killed.add(one.pid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
    await sleep(10);
  }
}
