import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { promisify } from "node:util";
import { isMap, isPair, parseDocument, visit } from "yaml";

/** Top-level folders that no program needs. */
const LEFT_OUT: ReadonlySet<string> = new Set(["lab", "tests", "out", "tools", "docs", "node_modules", ".git", ".ci"]);

/**
 * Copies a Pulumi project, with what is committed and what is new but not ignored, and links its node_modules. In the
 * original folder the CLI would rewrite the stack file: it adds its salt, encrypts and re-quotes.
 */
export async function copyProject(source: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const file of await projectFiles(source)) {
    const first = file.split("/")[0] ?? "";
    if (!LEFT_OUT.has(first) && existsSync(join(source, file))) {
      const copy = join(target, ...file.split("/"));
      await mkdir(dirname(copy), { recursive: true });
      await cp(join(source, file), copy);
      if (/^Pulumi\.[^/]+\.ya?ml$/.test(file)) {
        await writeFile(copy, withoutEncryption(await readFile(copy, "utf8")));
      }
    }
  }
  await symlink(nodeModules(source), join(target, "node_modules"), "dir");
}

/**
 * A stack file without what ties it to somebody's key: nobody else could even start it. Its secrets go as well; the
 * caller sets throwaway ones.
 */
export function withoutEncryption(stackFile: string): string {
  const document = parseDocument(stackFile);
  for (const key of ["encryptionsalt", "secretsprovider", "encryptedkey"]) {
    document.delete(key);
  }
  visit(document, {
    Pair(_, pair) {
      return isMap(pair.value) && pair.value.has("secure") ? visit.REMOVE : undefined;
    },
    Map(_, map) {
      // An element of a list has no key to remove it by.
      return map.items.some((item) => isPair(item) && String(item.key) === "secure") ? visit.REMOVE : undefined;
    },
  });
  return document.toString();
}

/** Paths below `source`, with slashes. */
async function projectFiles(source: string): Promise<string[]> {
  try {
    const listing = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    const { stdout } = await promisify(execFile)("git", listing, { cwd: source, maxBuffer: 64 * 1024 * 1024 });
    const files = stdout.split("\0").filter((file) => file !== "");
    if (files.length > 0) {
      return files;
    }
  } catch {
    // No git, or no repository: a downloaded archive. Then everything there is belongs to the project.
  }
  const names = await readdir(source);
  const wanted = names.filter((name) => !LEFT_OUT.has(name));
  const below = await Promise.all(wanted.map(async (name) => filesBelow(source, name)));
  return below.flat();
}

async function filesBelow(root: string, name: string): Promise<string[]> {
  const entries = await readdir(join(root, name), { withFileTypes: true, recursive: true }).catch(() => undefined);
  if (entries === undefined) {
    return [name];
  }
  return entries
    .filter((entry) => entry.isFile() && !entry.parentPath.includes(`${sep}node_modules`))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .split(sep)
        .join("/"),
    );
}

function nodeModules(source: string): string {
  for (let folder = resolve(source); ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules");
    if (existsSync(candidate)) {
      return candidate;
    }
    if (dirname(folder) === folder) {
      throw new Error(`${source} has no node_modules, nor has any folder above it: run npm ci`);
    }
  }
}
