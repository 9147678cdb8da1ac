import { randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { isExecutable } from "./on-path";

/** How a cached binary came to be. */
export type Origin = "download" | "go-build";

/** What is kept beside a cached binary, as `part.json`. */
interface PartRecord {
  name: string;
  version: string;
  from: Origin;
}

/** A binary from the cache. */
export interface CachedPart {
  path: string;
  from: Origin;
}

const recordName = "part.json";
const temporaryPrefix = ".part-";
const staleMilliseconds = 6 * 60 * 60 * 1000;

/** The folder of all cached parts: outside any checkout, shared by all of them. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const own = env["BUILDKITE_LAB_CACHE"];
  if (own !== undefined && own !== "") {
    if (!isAbsolute(own)) throw new Error(`BUILDKITE_LAB_CACHE must be an absolute path, got ${own}`);
    return join(own, "parts");
  }
  const xdg = env["XDG_CACHE_HOME"];
  // The XDG specification says to ignore a relative one.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env["HOME"] ?? homedir(), ".cache");
  return join(base, "buildkite-scale-to-zero", "parts");
}

/** The cached binary of a part in exactly this version, or undefined. */
export async function readCache(cache: string, name: string, version: string): Promise<CachedPart | undefined> {
  const folder = join(cache, name, version);
  const path = join(folder, name);
  try {
    const record = JSON.parse(await readFile(join(folder, recordName), "utf8")) as Partial<PartRecord>;
    if (record.from !== "download" && record.from !== "go-build") return undefined;
    return (await isExecutable(path)) ? { path, from: record.from } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Adds a part to the cache. `produce` fills an empty folder, which then takes its place in one rename: a half-made part is
 * never seen, and of two runs that make the same part at once the first one's stays.
 *
 * @throws what `produce` throws; its folder is gone then.
 */
export async function addToCache(
  cache: string,
  part: { name: string; version: string; from: Origin },
  produce: (folder: string) => Promise<void>,
): Promise<CachedPart> {
  const parent = join(cache, part.name);
  await mkdir(parent, { recursive: true });
  await removeStale(parent);
  const temporary = join(parent, `${temporaryPrefix}${part.version}-${randomBytes(6).toString("hex")}`);
  await mkdir(temporary);
  try {
    await produce(temporary);
    if (!(await isExecutable(join(temporary, part.name)))) {
      throw new Error(`${part.name} ${part.version}: no binary came out of it`);
    }
    const record: PartRecord = { name: part.name, version: part.version, from: part.from };
    await writeFile(join(temporary, recordName), JSON.stringify(record) + "\n");
    await place(cache, part, temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  const cached = await readCache(cache, part.name, part.version);
  if (cached === undefined) throw new Error(`${part.name} ${part.version}: vanished from ${parent}`);
  return cached;
}

async function place(cache: string, part: { name: string; version: string }, temporary: string): Promise<void> {
  const folder = join(cache, part.name, part.version);
  try {
    await rename(temporary, folder);
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
  if ((await readCache(cache, part.name, part.version)) !== undefined) return;
  // Somebody emptied or damaged it by hand: what is there cannot be used, so it may go.
  await rm(folder, { recursive: true, force: true });
  await rename(temporary, folder);
}

/** Removes what a run left that was killed outright. Young folders stay: somebody may be filling them. */
async function removeStale(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(temporaryPrefix)) continue;
    const path = join(parent, name);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > staleMilliseconds) await rm(path, { recursive: true, force: true });
  }
}
