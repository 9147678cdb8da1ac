import { readFile, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { identify } from "./processes";

/** A component of the control plane as kwokctl started it. */
export interface Component {
  /** The name of its binary. */
  name: string;
  pid: number;
  running: boolean;
}

/** The components of which kwokctl wrote down a process id. */
export async function readComponents(clusterFolder: string): Promise<Component[]> {
  const folder = join(clusterFolder, "pids");
  const names = await readdir(folder).catch(() => []);
  return Promise.all(
    names
      .filter((name) => name.endsWith(".pid"))
      .map(async (name) => {
        const pid = Number(await readFile(join(folder, name), "utf8"));
        return { name: basename(name, ".pid"), pid, running: (await identify(pid)) !== undefined };
      }),
  );
}

/** Makes kwokctl start a component again: it takes an ended process that nobody has waited for as a running one. */
export async function forgetComponent(clusterFolder: string, name: string): Promise<void> {
  await rm(join(clusterFolder, "pids", `${name}.pid`), { force: true });
}

/** The last lines a component wrote. */
export async function lastWords(clusterFolder: string, name: string): Promise<string> {
  const log = await readFile(join(clusterFolder, "logs", `${name}.log`), "utf8").catch(() => "");
  return log.trimEnd().split("\n").slice(-12).join("\n");
}
