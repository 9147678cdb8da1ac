import { randomUUID } from "node:crypto";
import { access, constants, mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cgroupMount, cgroupPrefix } from "../namespaces/cgroups";

/** A control group whose processes share a limit of memory; swap is no way around it. */
export interface MemoryLimit {
  /** File that a process writes its id into to enter. */
  readonly entrance: string;
  /** Most memory it ever had, MiB, files it read among it. */
  peakMiB(): Promise<number>;
  /** How often the kernel killed for it. */
  kills(): Promise<number>;
  /** Removes the group; what was in it must have ended. */
  remove(): Promise<void>;
}

const MIB = 1024 * 1024;
const REMOVE_ATTEMPTS = 50;

/** What the files are called, in either version of control groups. */
const VERSIONS = [
  {
    root: "memory",
    ...{ limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes", events: "memory.oom_control" },
    withSwap: (bytes: number) => ({ file: "memory.memsw.limit_in_bytes", value: bytes }),
  },
  {
    root: "",
    ...{ limit: "memory.max", peak: "memory.peak", events: "memory.events" },
    withSwap: () => ({ file: "memory.swap.max", value: 0 }),
  },
] as const;

/**
 * Makes one. Needs root and a control group file system that can be written.
 *
 * @returns undefined where that is not so.
 */
export async function limitMemory(mebibytes: number): Promise<MemoryLimit | undefined> {
  const bytes = mebibytes * MIB;
  for (const { root, limit, peak, events, withSwap } of VERSIONS) {
    const folder = join(cgroupMount, root, `${cgroupPrefix}faults-${process.pid}-${randomUUID().slice(0, 8)}`);
    try {
      await mkdir(folder);
    } catch {
      continue;
    }
    try {
      // The kernel's own files: in a folder that is no control group they must not come to be.
      await access(join(folder, limit), constants.W_OK);
      await access(join(folder, "cgroup.procs"), constants.W_OK);
      await writeFile(join(folder, limit), String(bytes));
      const { file, value } = withSwap(bytes);
      // Not every kernel counts swap.
      await writeFile(join(folder, file), String(value), { flag: "r+" }).catch(() => undefined);
      return {
        entrance: join(folder, "cgroup.procs"),
        peakMiB: async () => Math.round(Number(await readFile(join(folder, peak), "utf8").catch(() => "0")) / MIB),
        kills: async () => Number(/^oom_kill (\d+)$/m.exec(await readFile(join(folder, events), "utf8"))?.[1] ?? 0),
        remove: () => removeEmpty(folder),
      };
    } catch {
      await rmdir(folder).catch(() => undefined);
    }
  }
  return undefined;
}

/** Busy while the last process in it is ending. */
async function removeEmpty(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return;
      }
      if (attempt === REMOVE_ATTEMPTS) {
        throw error;
      }
      await sleep(100);
    }
  }
}
