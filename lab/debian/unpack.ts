import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { runChild } from "../parts/child";

/** The folders that are links into `usr` on every Debian since 12. Packages still ship files below both names. */
const merged = ["bin", "sbin", "lib", "lib64"];

/** Never wanted where nobody reads. */
const excluded = [
  "./usr/share/doc/*",
  "./usr/share/man/*",
  "./usr/share/info/*",
  "./usr/share/locale/*",
  "./usr/share/lintian/*",
  "./usr/share/bash-completion/*",
  "./usr/share/doc-base/*",
  "./usr/lib/udev/hwdb.d/*",
];

// --keep-directory-symlink: a package's ./bin/bash must go through the link to usr/bin, not replace it.
const script = `
set -e
root=$1
shift
for deb in "$@"; do
  dpkg-deb --fsys-tarfile "$deb" > "$root/.fsys.tar"
  tar --extract --file "$root/.fsys.tar" --directory "$root" --keep-directory-symlink --preserve-permissions \\
    --no-same-owner ${excluded.map((pattern) => `--exclude='${pattern}'`).join(" ")}
done
rm -f "$root/.fsys.tar"
`;

/**
 * Unpacks package archives over each other into one merged-usr tree. No maintainer script is run.
 *
 * @param root An existing folder.
 * @throws with the words of dpkg-deb or tar.
 */
export async function unpackPackages(
  archives: readonly string[],
  root: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<void> {
  for (const name of merged) {
    await mkdir(join(root, "usr", name), { recursive: true });
    await symlink(`usr/${name}`, join(root, name)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    });
  }
  const result = await runChild("/bin/sh", ["-c", script, "unpack", root, ...archives], { env, signal });
  if (result.code !== 0) {
    throw new Error(`Debian packages could not be unpacked into ${root}: ${result.stderr.trim().slice(-1000)}`);
  }
}
