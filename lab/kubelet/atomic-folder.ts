import { chmod, chown, mkdir, mkdtemp, readdir, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { VolumeFiles } from "./volume-content";

/** Who may read the files, and how. */
export interface FolderAccess {
  /** Group of files and folders; undefined: left as they are made. */
  readonly group: number | undefined;
  /** Mode of the files, e.g. 0o440. */
  readonly fileMode: number;
}

/**
 * Writes files the way a kubelet does (its atomic writer): into a new hidden folder, to which the link `..data` is then
 * switched in one step; each name beside it is a link through `..data`. A reader sees all old files or all new ones.
 * The links of names that are gone are removed afterwards.
 */
export async function writeAtomically(folder: string, files: VolumeFiles, access: FolderAccess): Promise<void> {
  await mkdir(folder, { recursive: true });
  const data = join(folder, "..data");
  const previous = await readlink(data).catch(() => undefined);
  const next = await mkdtemp(join(folder, "..v"));
  await permit(next, 0o750, access.group);
  for (const [path, content] of files) {
    const file = join(next, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await permit(file, access.fileMode, access.group);
  }
  const link = join(folder, "..data_tmp");
  await rm(link, { force: true });
  await symlink(next.slice(folder.length + 1), link);
  await rename(link, data);
  const names = new Set([...files.keys()].map((path) => path.split("/")[0] ?? ""));
  for (const name of names) {
    await symlink(join("..data", name), join(folder, name)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw error;
      }
    });
  }
  // Names that are no more, and only now: their links hang in the air for a moment, as they do on a real node.
  for (const name of await readdir(folder)) {
    if (!name.startsWith("..") && !names.has(name)) {
      await rm(join(folder, name));
    }
  }
  if (previous !== undefined) {
    await rm(join(folder, previous), { recursive: true, force: true });
  }
}

/** Sets mode and group of a file or folder. */
export async function permit(path: string, mode: number, group: number | undefined): Promise<void> {
  if (group !== undefined) {
    await chown(path, process.getuid?.() ?? 0, group);
  }
  await chmod(path, mode);
}
