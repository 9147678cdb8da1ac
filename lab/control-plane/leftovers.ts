import { readFile, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findProcessesOf, identify, isRunning, killProcessesOf, type ProcessIdentity } from "./processes";

const ownerName = "owner.json";

/** The folder inside a work directory in which the control plane keeps everything. */
export function controlPlaneFolder(workDir: string): string {
  return join(workDir, "control-plane");
}

/** Writes down whose control plane this is: as long as this process runs, nobody may clear it away. */
export async function recordOwner(folder: string): Promise<void> {
  const owner = await identify(process.pid);
  await writeFile(join(folder, ownerName), JSON.stringify(owner));
}

/** What was found of an earlier run. */
export interface Leftovers {
  /** How many processes were killed. */
  processes: number;
  /** Whether there were files. */
  files: boolean;
}

/**
 * Removes what an earlier run, killed outright together with its watchdog, left of its control plane in a work directory:
 * the processes that were started from there, and the files. The work directory itself goes if nothing else is in it.
 *
 * @throws when the run that made it is still alive, or a process cannot be killed.
 */
export async function removeLeftovers(workDir: string): Promise<Leftovers> {
  const folder = controlPlaneFolder(workDir);
  const owner = await readOwner(folder);
  if (owner !== undefined && owner.pid !== process.pid && (await isRunning(owner))) {
    throw new Error(`${workDir} belongs to a lab that still runs (process ${owner.pid})`);
  }
  const files = await stat(folder).then(
    () => true,
    () => false,
  );
  if (!files && (await findProcessesOf(folder)).length === 0) return { processes: 0, files };
  const processes = await killProcessesOf(folder);
  await removeFolder(workDir);
  return { processes, files };
}

/** Removes the control plane's files, and the work directory if that leaves it empty. */
export async function removeFolder(workDir: string): Promise<void> {
  await rm(controlPlaneFolder(workDir), { recursive: true, force: true, maxRetries: 3 });
  await rmdir(workDir).catch(() => undefined);
}

async function readOwner(folder: string): Promise<ProcessIdentity | undefined> {
  try {
    const owner = JSON.parse(await readFile(join(folder, ownerName), "utf8")) as Partial<ProcessIdentity>;
    const { pid, startTime } = owner;
    return typeof pid === "number" && typeof startTime === "string" ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}
