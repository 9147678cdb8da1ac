import { mkdir, rename, rm } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { Apt } from "../debian/apt";
import { addFolder } from "../parts/add-folder";
import { cacheFolder } from "../parts/cache";
import { runChild } from "../parts/child";
import { isExecutable } from "../parts/on-path";

/** What getting it may be told. */
export interface GetPromtoolOptions {
  readonly signal?: AbortSignal;
  /** PATH, HOME, BUILDKITE_LAB_CACHE, XDG_CACHE_HOME and what apt reads. */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Prometheus' own checker of rules: from PATH, from the cache, or once out of the distribution's package `prometheus`
 * (20 MB; it needs nothing that it depends on). No root, nothing is installed.
 *
 * @returns its path, absolute.
 * @throws where it is not on PATH and apt does not get it.
 */
export async function getPromtool(options: GetPromtoolOptions = {}): Promise<string> {
  const { env = process.env, signal } = options;
  for (const folder of (env["PATH"] ?? "").split(delimiter).filter(isAbsolute)) {
    if (await isExecutable(join(folder, "promtool"))) {
      return join(folder, "promtool");
    }
  }
  const parent = dirname(cacheFolder(env));
  const path = join(parent, "promtool", "promtool");
  const isWhole = (): Promise<boolean> => isExecutable(path);
  if (!(await isWhole())) {
    await addFolder(parent, "promtool", isWhole, (folder) => produce(folder, env, signal));
  }
  return path;
}

async function produce(folder: string, env: NodeJS.ProcessEnv, signal: AbortSignal | undefined): Promise<void> {
  const work = join(folder, "work");
  await mkdir(work);
  const apt = new Apt(work, env, signal);
  await apt.update();
  const found = (await apt.resolve(["prometheus"])).find(({ name }) => name === "prometheus");
  if (found === undefined) {
    throw new Error("apt names no package prometheus: put promtool on PATH");
  }
  await apt.download([found], work);
  const answer = await runChild("dpkg-deb", ["--extract", join(work, found.file), join(work, "root")], { env, signal });
  if (answer.code !== 0) {
    throw new Error(`dpkg-deb --extract ${found.file}: ${answer.stderr.trim()}`);
  }
  await rename(join(work, "root", "usr", "bin", "promtool"), join(folder, "promtool"));
  await rm(work, { recursive: true });
}
