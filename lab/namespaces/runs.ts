import { randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { identify, isRunning, type ProcessIdentity } from "../control-plane/processes";
import { cgroupHierarchies, cgroupPrefix, removeCgroup } from "./cgroups";

const ownerName = "namespaces-owner.json";
const idPattern = /^(\d+)-(\d+)-[0-9a-f]{6}$/;

/** What a run writes into its work folder, so that a later one can clear away after it. */
interface Owner {
  runId: string;
  supervisor: ProcessIdentity;
  /** The process that made the namespaces; they end with it. */
  inner?: ProcessIdentity;
}

/**
 * A name for a run that no other run on this machine has. It names the supervisor, this process, by id and start time:
 * so whoever finds a cgroup folder can tell whether its run is still alive.
 */
export async function newRunId(): Promise<string> {
  const self = await identify(process.pid);
  return `${process.pid}-${self?.startTime ?? "0"}-${randomBytes(3).toString("hex")}`;
}

/** The cgroup folder of a run, from the root of every hierarchy. */
export function runCgroup(runId: string): string {
  return `/${cgroupPrefix}${runId}`;
}

/** Writes down whose work folder this is. */
export async function recordRun(workDir: string, runId: string, innerPid?: number): Promise<void> {
  const supervisor = await identify(process.pid);
  if (supervisor === undefined) throw new Error("this process cannot find itself in /proc");
  const inner = innerPid === undefined ? undefined : await identify(innerPid);
  const owner: Owner = { runId, supervisor, ...(inner === undefined ? {} : { inner }) };
  await mkdir(workDir, { recursive: true });
  await writeFile(join(workDir, ownerName), JSON.stringify(owner));
}

/** What was found of dead runs. */
export interface DeadRuns {
  processes: number;
  cgroups: string[];
  folders: string[];
}

/**
 * Removes what runs left whose supervisor was killed outright: what is left of the namespaces, the cgroup folders, and the
 * work folders that stand beside this run's. Runs whose supervisor lives are not touched.
 */
export async function removeDeadRuns(workDir: string): Promise<DeadRuns> {
  const dead: DeadRuns = { processes: 0, cgroups: [], folders: [] };
  const parent = dirname(workDir);
  const folders: string[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const owner = await readOwner(join(parent, name));
    if (owner === undefined || (await isRunning(owner.supervisor))) continue;
    // It ends by itself when its supervisor does, but may still be at it.
    if (owner.inner !== undefined && (await isRunning(owner.inner))) {
      process.kill(owner.inner.pid, "SIGKILL");
      dead.processes++;
    }
    folders.push(join(parent, name));
  }
  for (const runId of await runsWithCgroups()) {
    if (await supervisorRuns(runId)) continue;
    dead.processes += await removeCgroup(runCgroup(runId));
    dead.cgroups.push(runId);
  }
  for (const folder of folders) {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    dead.folders.push(folder);
  }
  return dead;
}

async function readOwner(folder: string): Promise<Owner | undefined> {
  try {
    const owner = JSON.parse(await readFile(join(folder, ownerName), "utf8")) as Partial<Owner>;
    const { runId, supervisor, inner } = owner;
    if (runId === undefined || supervisor === undefined) return undefined;
    return { runId, supervisor, ...(inner === undefined ? {} : { inner }) };
  } catch {
    return undefined;
  }
}

async function runsWithCgroups(): Promise<string[]> {
  const lists = await Promise.all((await cgroupHierarchies()).map((root) => readdir(root).catch(() => [])));
  const ids = lists
    .flat()
    .map((name) => basename(name))
    .filter((name) => name.startsWith(cgroupPrefix))
    .map((name) => name.slice(cgroupPrefix.length));
  return [...new Set(ids)].filter((id) => idPattern.test(id));
}

async function supervisorRuns(runId: string): Promise<boolean> {
  const [, pid, startTime] = idPattern.exec(runId) ?? [];
  return pid !== undefined && startTime !== undefined && isRunning({ pid: Number(pid), startTime });
}
