import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { addFolder } from "./add-folder";
import { isExecutable } from "./on-path";

/** How a cached binary came to be. */
export type Origin = "download" | "go-build";

/** What is kept beside a cached binary, as `part.json`. */
interface PartRecord {
  name: string;
  version: string;
  from: Origin;
  /** The other binaries beside it. Those of older records were not written down. */
  companions?: string[];
}

/** A binary from the cache. */
export interface CachedPart {
  path: string;
  from: Origin;
}

const recordName = "part.json";

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

/** The cached binary of a part in exactly this version with all that belongs beside it, or undefined. */
export async function readCache(cache: string, name: string, version: string): Promise<CachedPart | undefined> {
  const folder = join(cache, name, version);
  const path = join(folder, name);
  try {
    const record = JSON.parse(await readFile(join(folder, recordName), "utf8")) as Partial<PartRecord>;
    if (record.from !== "download" && record.from !== "go-build") return undefined;
    const all = [path, ...(record.companions ?? []).map((companion) => join(folder, companion))];
    const whole = await Promise.all(all.map(isExecutable));
    return whole.every(Boolean) ? { path, from: record.from } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Adds a part to the cache. `produce` fills an empty folder; see `addFolder` for what that is worth.
 *
 * @throws what `produce` throws; its folder is gone then.
 */
export async function addToCache(
  cache: string,
  part: { name: string; version: string; from: Origin; companions?: string[] },
  produce: (folder: string) => Promise<void>,
): Promise<CachedPart> {
  const parent = join(cache, part.name);
  const isWhole = async () => (await readCache(cache, part.name, part.version)) !== undefined;
  await addFolder(parent, part.version, isWhole, async (folder) => {
    await produce(folder);
    for (const binary of [part.name, ...(part.companions ?? [])]) {
      if (!(await isExecutable(join(folder, binary)))) {
        throw new Error(`${part.name} ${part.version}: no binary ${binary} came out of it`);
      }
    }
    const { name, version, from, companions } = part;
    const record: PartRecord = { name, version, from, companions };
    await writeFile(join(folder, recordName), JSON.stringify(record) + "\n");
  });
  const cached = await readCache(cache, part.name, part.version);
  if (cached === undefined) throw new Error(`${part.name} ${part.version}: vanished from ${parent}`);
  return cached;
}
