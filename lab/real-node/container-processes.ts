import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identify } from "../control-plane/processes";
import { cgroupMount, processesIn } from "../namespaces/cgroups";

/**
 * Which process of a container: the agent (`buildkite-agent`, the eldest of that name), the first process, all of them at
 * once, or the eldest of a name.
 */
export type KillTarget = "agent" | "first" | "all" | { process: string };

/** All processes of a container, the first one first. Empty when it has ended. */
export async function containerProcesses(firstPid: number): Promise<number[]> {
  const folder = await cgroupOf(firstPid, "pids");
  if (folder === undefined) return [];
  const pids = await processesIn(folder);
  return pids.length === 0 ? [] : [firstPid, ...pids.filter((pid) => pid !== firstPid && pid !== 0)];
}

/**
 * Sends SIGKILL from outside, as the kernel does when memory is short.
 *
 * @throws when there is no such process.
 */
export async function killInContainer(firstPid: number, target: KillTarget): Promise<void> {
  if (target === "first") {
    process.kill(firstPid, "SIGKILL");
    return;
  }
  if (target === "all") {
    await killAll(firstPid);
    return;
  }
  const name = target === "agent" ? "buildkite-agent" : target.process;
  const pid = await eldest(await containerProcesses(firstPid), name);
  if (pid === undefined) throw new Error(`no process ${name} in the container with the first process ${firstPid}`);
  process.kill(pid, "SIGKILL");
}

/** Stops them all before killing them: none of them sees another one gone, as when the kernel kills a whole group. */
async function killAll(firstPid: number): Promise<void> {
  const freezer = await cgroupOf(firstPid, "freezer");
  if (freezer === undefined) throw new Error(`no process ${firstPid}`);
  const state = join(freezer, "freezer.state");
  await writeFile(state, "FROZEN").catch(() => undefined);
  for (let round = 0; round < 50; round++) {
    if ((await readFile(state, "utf8").catch(() => "FROZEN")).trim() === "FROZEN") break;
    await sleep(10);
  }
  for (const pid of await containerProcesses(firstPid)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  // The last one takes the folder with it.
  await writeFile(state, "THAWED").catch(() => undefined);
}

async function eldest(pids: readonly number[], name: string): Promise<number | undefined> {
  let found: { pid: number; startTime: bigint } | undefined;
  for (const pid of pids) {
    // The kernel keeps 15 characters of a name.
    const comm = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
    if (comm !== name.slice(0, 15)) continue;
    const identity = await identify(pid);
    if (identity === undefined) continue;
    const startTime = BigInt(identity.startTime);
    if (found === undefined || startTime < found.startTime) found = { pid, startTime };
  }
  return found?.pid;
}

/** The folder of a process in a hierarchy; with cgroup v2 there is but one. */
async function cgroupOf(pid: number, controller: string): Promise<string | undefined> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "")).split("\n");
  for (const line of lines) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers.split(",").includes(controller)) return join(cgroupMount, controller, path);
  }
  const unified = lines.find((line) => line.startsWith("0::"));
  return unified === undefined ? undefined : join(cgroupMount, unified.slice(3));
}
