import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CatalogueEntry } from "./entry";
import { runChild } from "./child";

/** The oldest Go that can compile the parts: what their modules ask for. */
export const neededGo = "1.26";

/** Why there is no Go to build with, or undefined where there is one. */
export async function whyNoGo(env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<string | undefined> {
  try {
    // Asked outside any module: inside one an older Go would begin to download a newer one.
    const answer = await runChild("go", ["env", "GOVERSION", "GOTOOLCHAIN"], { env, cwd: tmpdir(), signal });
    const [version = "", toolchain = ""] = answer.stdout.trim().split("\n");
    const match = /^go(\d+)\.(\d+)/.exec(version);
    if (answer.code !== 0 || match === null) return `go env failed: ${answer.stderr.trim()}`;
    const minor = Number(match[2]);
    // From 1.21 on Go fetches the toolchain that a module asks for, unless it is told not to.
    if (minor < 21 || (minor < Number(neededGo.split(".")[1]) && toolchain.startsWith("local"))) {
      return `the Go on PATH is ${version.slice(2)}, ${neededGo} is needed`;
    }
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "there is no Go on PATH";
    throw error;
  }
}

/**
 * Builds a part's binaries into `folder` from the module pinned in `modules/<module>`: sources are verified by its go.sum.
 *
 * @throws with the compiler's last words, or the signal's reason.
 */
export async function buildPart(
  entry: CatalogueEntry,
  folder: string,
  modules: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<void> {
  const { build } = entry;
  // Go's own work folder goes where we remove it whatever happens.
  const work = join(folder, ".work");
  await mkdir(work);
  for (const [name, path] of Object.entries({ [entry.name]: build.package, ...build.companions })) {
    const result = await runChild("go", ["build", ...flags(build), "-o", join(folder, name), path], {
      cwd: join(modules, build.module),
      env: goEnvironment(env, work),
      signal,
    });
    if (result.code !== 0) {
      const words = result.stderr.trim().split("\n").slice(-8).join("\n  ");
      throw new Error(`go build ${path} (${entry.version}) ended with ${result.code ?? "a signal"}:\n  ${words}`);
    }
  }
  await rm(work, { recursive: true, force: true });
}

function flags(build: CatalogueEntry["build"]): string[] {
  return [
    "-trimpath",
    "-mod=readonly",
    "-buildvcs=false",
    ...(build.tags === undefined ? [] : ["-tags", build.tags.join(",")]),
    ...(build.gcflags === undefined ? [] : [`-gcflags=${build.gcflags}`]),
    "-ldflags",
    ["-s", "-w", ...build.ldflags].join(" "),
  ];
}

/** The caller's environment without what would build something else than the pinned part for this machine. */
function goEnvironment(env: NodeJS.ProcessEnv, work: string): NodeJS.ProcessEnv {
  const unset = { GOFLAGS: undefined, GOOS: undefined, GOARCH: undefined, GO111MODULE: undefined };
  return { ...env, ...unset, CGO_ENABLED: "0", GOWORK: "off", GOTMPDIR: work };
}
