import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const temporaryPrefix = ".part-";
const staleMilliseconds = 6 * 60 * 60 * 1000;

/**
 * Adds a folder to a cache. `produce` fills an empty folder, which then takes its place in one rename: a half-made one is
 * never seen, and of two runs that make the same one at once the first one's stays.
 *
 * @param parent Made where it is missing.
 * @param isWhole Whether what is in the place already can be used.
 * @throws what `produce` throws; its folder is gone then.
 */
export async function addFolder(
  parent: string,
  name: string,
  isWhole: () => Promise<boolean>,
  produce: (folder: string) => Promise<void>,
): Promise<void> {
  await mkdir(parent, { recursive: true });
  await removeStale(parent);
  const temporary = join(parent, `${temporaryPrefix}${name}-${randomBytes(6).toString("hex")}`);
  await mkdir(temporary);
  try {
    await produce(temporary);
    await place(temporary, join(parent, name), isWhole);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function place(temporary: string, folder: string, isWhole: () => Promise<boolean>): Promise<void> {
  try {
    await rename(temporary, folder);
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
  if (await isWhole()) return;
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
