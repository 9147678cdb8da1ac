import { chmod, copyFile, lstat, mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DebianPackages } from "../debian";
import { unpackPackages } from "../debian/unpack";
import { runChild } from "../parts/child";
import type { Content, Recipe } from "./recipe";

/**
 * Fills the folder that becomes an image's root: packages, busybox's applets, then the recipe's own content over them.
 *
 * @param root An existing, empty folder.
 * @param work An existing folder for what is needed in between.
 */
export async function fillRoot(
  recipe: Recipe,
  packages: DebianPackages,
  root: string,
  work: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<void> {
  const archives = packages.archives(recipe.packages).map(({ path }) => path);
  if (recipe.only === undefined) {
    await unpackPackages(archives, root, env, signal);
  } else {
    const all = join(work, "all");
    await mkdir(all);
    await unpackPackages(archives, all, env, signal);
    await unpackPackages([], root, env, signal);
    for (const path of recipe.only) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await copyFile(join(all, path), join(root, path));
    }
    await rm(all, { recursive: true, force: true });
  }
  await writeCertificates(root);
  if (recipe.busybox === true) await linkBusybox(root, signal);
  for (const content of recipe.content) await put(root, content);
}

async function put(root: string, content: Content): Promise<void> {
  const path = join(root, content.path);
  await mkdir(dirname(path), { recursive: true });
  if ("folder" in content) {
    await mkdir(path, { recursive: true });
    await chmod(path, content.mode ?? 0o755);
    return;
  }
  // Never through a link of a package, which may be absolute and so lead out of the root.
  await rm(path, { recursive: true, force: true });
  if ("link" in content) {
    await symlink(content.link, path);
    return;
  }
  if ("text" in content) await writeFile(path, content.text);
  else await copyFile(content.from, path);
  await chmod(path, content.mode ?? 0o644);
}

/** Every applet under its name, over what a package may have there: Alpine's tools are busybox too. */
async function linkBusybox(root: string, signal?: AbortSignal): Promise<void> {
  const answer = await runChild(join(root, "usr/bin/busybox"), ["--list"], { signal });
  const applets = answer.stdout.split("\n").filter((name) => /^[\w[.-]+$/.test(name) && name !== "busybox");
  if (answer.code !== 0 || !applets.includes("sh")) throw new Error("busybox does not say what applets it has");
  for (const name of applets) {
    // Packages' administrator commands would be found first on PATH.
    for (const folder of ["usr/bin", "usr/sbin"]) {
      const path = join(root, folder, name);
      const there = await lstat(path).catch(() => undefined);
      if (there !== undefined || folder === "usr/bin") {
        await rm(path, { force: true });
        await symlink("/usr/bin/busybox", path);
      }
    }
  }
}

/** What ca-certificates' maintainer script would have written. */
async function writeCertificates(root: string): Promise<void> {
  const folder = join(root, "usr/share/ca-certificates/mozilla");
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0) return;
  const texts = await Promise.all(names.sort().map((name) => readFile(join(folder, name), "utf8")));
  await mkdir(join(root, "etc/ssl/certs"), { recursive: true });
  await writeFile(join(root, "etc/ssl/certs/ca-certificates.crt"), texts.join(""));
}
