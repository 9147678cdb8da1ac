import { readFile, readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { identify, isRunning, type ProcessIdentity } from "../control-plane/processes";
import { runChild } from "../parts/child";

/** Unmounts volumes and containers' file systems below the folders, the innermost first. */
export async function unmountBelow(folders: readonly string[]): Promise<void> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  const points = table.split("\n").flatMap((line) => line.split(" ")[4] ?? []);
  for (const point of points.reverse()) {
    if (!folders.some((folder) => point.startsWith(`${folder}/`))) continue;
    // Lazily: what an ending process still has open must not hold us up.
    await runChild("umount", ["--lazy", point]);
  }
}

/**
 * Kills the shims of a containerd that is gone: they are made to outlive it.
 *
 * @param socket the containerd's.
 */
export async function killShims(socket: string): Promise<void> {
  const shims: ProcessIdentity[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).split("\0");
    if (!(words[0] ?? "").includes("containerd-shim") || !words.includes(socket)) continue;
    const shim = await identify(Number(name));
    if (shim !== undefined) shims.push(shim);
  }
  for (const shim of shims) {
    if (!(await isRunning(shim))) continue;
    try {
      process.kill(shim.pid, "SIGKILL");
    } catch {
      // It ended by itself.
      continue;
    }
    while (await isRunning(shim)) await sleep(10);
  }
}
