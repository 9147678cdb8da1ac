import { access } from "node:fs/promises";
import { join } from "node:path";
import { runChild } from "../parts/child";

/**
 * The folder of a pinned Go module in the module cache, where a build of its part left it. Undefined where there is no
 * Go, where the part was downloaded instead, or where the module lacks the wanted file.
 *
 * @param part The folder under `lab/parts/go` that pins the module.
 * @param wanted A path inside the module.
 */
export async function moduleFolder(
  part: string,
  module: string,
  wanted: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const answer = await runChild("go", ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module], {
      cwd: join(__dirname, "../parts/go", part),
      // Whatever is not there already is not worth a download.
      env: { ...env, GOFLAGS: undefined, GOWORK: "off", GOPROXY: "off" },
      signal,
    });
    const folder = answer.stdout.trim();
    if (answer.code !== 0 || folder === "") return undefined;
    await access(join(folder, wanted));
    return folder;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}
