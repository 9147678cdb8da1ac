import { mkdir, readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Where the kernel shows its control groups. */
export const cgroupMount = "/sys/fs/cgroup";
/** How the one folder of a run is called, in every hierarchy; the run id follows. */
export const cgroupPrefix = "bkstz-";

/** The roots of all hierarchies: one per controller with cgroup v1, the mount itself with v2 alone. */
export async function cgroupHierarchies(): Promise<string[]> {
  const names = await readdir(cgroupMount).catch((): string[] => []);
  if (names.includes("cgroup.controllers")) return [cgroupMount];
  const roots: string[] = [];
  for (const name of names) {
    const root = join(cgroupMount, name);
    if ((await readdir(root).catch((): string[] => [])).includes("cgroup.procs")) roots.push(root);
  }
  return roots;
}

/**
 * Makes one folder, with those above it, in every hierarchy.
 *
 * @param path from the root of the hierarchies, such as `/bkstz-1-2-ab/agents-1`.
 */
export async function makeCgroup(path: string): Promise<void> {
  const steps = path.split("/").filter((step) => step !== "");
  for (const root of await cgroupHierarchies()) {
    let parent = root;
    for (const step of steps) {
      const folder = join(parent, step);
      await enableControllers(parent);
      await mkdir(folder, { recursive: true });
      await inheritCpuset(parent, folder);
      parent = folder;
    }
  }
}

/** cgroup v1: a new cpuset is empty, and no process can enter an empty one. */
async function inheritCpuset(parent: string, folder: string): Promise<void> {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const mine = await readFile(join(folder, file), "utf8").catch(() => undefined);
    if (mine?.trim() !== "") continue;
    await writeFile(join(folder, file), await readFile(join(parent, file), "utf8"));
  }
}

/** cgroup v2: a controller works only below folders that hand it down. */
async function enableControllers(folder: string): Promise<void> {
  const controllers = await readFile(join(folder, "cgroup.controllers"), "utf8").catch(() => "");
  for (const controller of controllers.split(/\s+/).filter((name) => name !== "")) {
    await writeFile(join(folder, "cgroup.subtree_control"), `+${controller}`).catch(() => undefined);
  }
}

/** The folders of a path that are there, one per hierarchy. */
export async function cgroupFolders(path: string): Promise<string[]> {
  const folders = (await cgroupHierarchies()).map((root) => join(root, path));
  const there = await Promise.all(
    folders.map((folder) =>
      readdir(folder).then(
        () => true,
        () => false,
      ),
    ),
  );
  return folders.filter((_, index) => there[index]);
}

/** The processes in a folder and below it, as this process numbers them. */
export async function processesIn(folder: string): Promise<number[]> {
  const own = await readFile(join(folder, "cgroup.procs"), "utf8").catch(() => "");
  const below = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const deeper = await Promise.all(
    below.filter((entry) => entry.isDirectory()).map((entry) => processesIn(join(folder, entry.name))),
  );
  return [
    ...own
      .split("\n")
      .filter((line) => line !== "")
      .map(Number),
    ...deeper.flat(),
  ];
}

const removeMilliseconds = 10_000;

/**
 * Removes a path from every hierarchy, killing what still runs in it.
 *
 * @returns how many processes were killed.
 * @throws when a folder cannot be removed within 10 s.
 */
export async function removeCgroup(path: string): Promise<number> {
  const killed = new Set<number>();
  const deadline = Date.now() + removeMilliseconds;
  for (;;) {
    const folders = await cgroupFolders(path);
    if (folders.length === 0) return killed.size;
    for (const pid of (await Promise.all(folders.map(processesIn))).flat()) {
      // 0 is a process of a namespace that is not ours to see.
      if (pid === 0) continue;
      killed.add(pid);
      kill(pid);
    }
    for (const folder of folders) await removeTree(folder);
    if (Date.now() > deadline) throw new Error(`cannot remove the cgroup folders ${folders.join(", ")}`);
    await sleep(20);
  }
}

/** The files in a cgroup folder belong to it: only the folders are removed, from the inside. */
async function removeTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  // Busy while a process in it is ending.
  await rmdir(folder).catch(() => undefined);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
