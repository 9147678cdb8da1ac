import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import type { CatalogueEntry } from "./entry";
import { runChild } from "./child";
import { findVersion, formatVersion } from "./version";

const answerMilliseconds = 5000;

/** A fitting binary that the machine already has. */
export interface PathFind {
  path: string;
  version: string;
}

/** The first fitting binary for a part on PATH: the version is asked of the binary itself. Undefined where none fits. */
export async function findOnPath(
  entry: CatalogueEntry,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<PathFind | undefined> {
  const { name, onPath } = entry;
  if (onPath === undefined) return undefined;
  // A relative entry would mean something else in every working folder.
  const folders = (env["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  for (const folder of new Set(folders)) {
    const path = join(folder, name);
    if (!(await isExecutable(path)) || !(await hasBesides(path, onPath.besides ?? []))) continue;
    const version = await askVersion(path, onPath.versionArguments, env, signal);
    if (version !== undefined && onPath.fits(version)) {
      return { path, version: formatVersion(version) };
    }
  }
  return undefined;
}

/** Whether there is a regular file that may be run. */
export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function hasBesides(path: string, besides: string[]): Promise<boolean> {
  if (besides.length === 0) return true;
  const folder = dirname(await realpath(path));
  const found = await Promise.all(besides.map((name) => isExecutable(join(folder, name))));
  return found.every(Boolean);
}

async function askVersion(path: string, versionArguments: string[], env: NodeJS.ProcessEnv, signal?: AbortSignal) {
  const limit = AbortSignal.timeout(answerMilliseconds);
  try {
    const answer = await runChild(path, versionArguments, {
      env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "true" },
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    return answer.code === 0 ? findVersion(answer.stdout) : undefined;
  } catch {
    signal?.throwIfAborted();
    // What hangs or cannot be started is not a binary to build on.
    return undefined;
  }
}
