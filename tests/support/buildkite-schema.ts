import { execFile } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../lab/parts/cache";

const run = promisify(execFile);

/**
 * Buildkite's own schema of a pipeline (buildkite/pipeline-schema, MIT) is on no npm registry in a kept version. The Python
 * package check-jsonschema (Apache-2.0) carries it, so it is taken from there: an exact version, by its checksum.
 */
const REQUIREMENT =
  "check-jsonschema==0.39.0 --hash=sha256:14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b";
const MEMBER = "check_jsonschema/builtin_schemas/vendor/buildkite.json";

/** The schema, once downloaded kept beside the lab's parts; where it cannot be had, the reason why. */
export async function buildkiteSchema(): Promise<{ schema: object } | { reason: string }> {
  const folder = join(dirname(cacheFolder(process.env)), "check-jsonschema-0.39.0");
  try {
    await mkdir(folder, { recursive: true });
    const wheel = (await wheelIn(folder)) ?? (await download(folder));
    const read = "import sys, zipfile; sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]).decode())";
    const { stdout } = await run("python3", ["-c", read, wheel, MEMBER], { maxBuffer: 16 * 1024 * 1024 });
    return { schema: JSON.parse(stdout) as object };
  } catch (error) {
    const { message, stderr = "" } = error as Error & { stderr?: string };
    const last = stderr.trim().split("\n").pop() ?? "";
    return { reason: `Buildkite's schema comes with python3 -m pip, which failed: ${last === "" ? message : last}` };
  }
}

async function wheelIn(folder: string): Promise<string | undefined> {
  const name = (await readdir(folder)).find((file) => file.endsWith(".whl"));
  return name === undefined ? undefined : join(folder, name);
}

async function download(folder: string): Promise<string> {
  const requirements = join(folder, "requirements.txt");
  await writeFile(requirements, `${REQUIREMENT}\n`);
  const options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"];
  await run("python3", ["-m", "pip", "download", ...options, "--dest", folder, "--requirement", requirements], {
    timeout: 120_000,
  });
  const wheel = await wheelIn(folder);
  if (wheel === undefined) {
    throw new Error("pip download left no wheel");
  }
  return wheel;
}
