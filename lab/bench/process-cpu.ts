import { readFile } from "node:fs/promises";

/** Milliseconds of CPU time by what used it. */
export type CpuTime = Readonly<Record<string, number>>;

/** The kernel counts in hundredths of a second (USER_HZ). */
const TICK_MS = 10;

/**
 * CPU time that each of these processes has used so far, by user and kernel on its behalf.
 *
 * @param processes pids by a name for people.
 * @throws when one of them is gone.
 */
export async function readCpu(processes: ReadonlyMap<string, number>): Promise<CpuTime> {
  const entries = await Promise.all(
    Array.from(processes, async ([name, pid]) => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8");
      // After the command, which is in parentheses and may have spaces and parentheses in it, state is the third field.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [name, (Number(fields[11]) + Number(fields[12])) * TICK_MS] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/** What was used between two readings, for each job. */
export function cpuPerJob(before: CpuTime, after: CpuTime, jobs: number): CpuTime {
  return Object.fromEntries(
    Object.entries(after).map(([name, ms]) => [name, Number(((ms - (before[name] ?? 0)) / jobs).toFixed(2))]),
  );
}

/** Those of a control plane that do work for Jobs while its controllers are paused: pids by command. */
export async function apiProcesses(pids: readonly number[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const pid of pids) {
    const command = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
    if (command === "kube-apiserver" || command === "etcd") {
      found.set(command, pid);
    }
  }
  return found;
}
