import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { runChild, type ChildResult } from "../parts/child";

/** A package as the distribution serves it. */
export interface PackageVersion {
  name: string;
  version: string;
  /** The file name of its archive, as apt writes it. */
  file: string;
  /** Of the archive. */
  bytes: number;
}

/**
 * Runs apt with folders of its own and an empty list of installed packages: nothing of this machine is read but its
 * sources and keys, nothing is changed, no lock is shared, and what it resolves is complete.
 */
export class Apt {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal | undefined;
  /** What an update complained about. It succeeds even when no source could be reached. */
  #complaints = "";

  /** @param folder An empty folder, the caller's to remove. */
  constructor(folder: string, env: NodeJS.ProcessEnv, signal?: AbortSignal) {
    this.#folder = folder;
    this.#env = env;
    this.#signal = signal;
  }

  /** Reads the lists of the sources this machine is configured with. */
  async update(): Promise<void> {
    for (const name of ["lists/partial", "archives/partial"])
      await mkdir(join(this.#folder, name), { recursive: true });
    await writeFile(join(this.#folder, "status"), "");
    await writeFile(join(this.#folder, "apt.conf"), configuration(this.#folder));
    const result = await this.#run(["update"]);
    if (result.code !== 0) throw failure("apt-get update", result);
    this.#complaints = result.stderr.trim();
  }

  /** The packages and all they depend on, none of them more than once. */
  async resolve(names: readonly string[]): Promise<PackageVersion[]> {
    const result = await this.#run(["install", "--yes", "--print-uris", "--no-install-recommends", ...names]);
    if (result.code !== 0) throw failure(`apt-get install --print-uris ${names.join(" ")}`, result, this.#complaints);
    return parseUris(result.stdout);
  }

  /** Downloads archives into a folder. apt checks them against the signed lists. */
  async download(packages: readonly PackageVersion[], into: string): Promise<void> {
    const wanted = packages.map(({ name, version }) => `${name}=${version}`);
    const result = await this.#run(["download", ...wanted], into);
    if (result.code !== 0) throw failure("apt-get download", result);
  }

  #run(commandArguments: string[], cwd?: string): Promise<ChildResult> {
    return runChild("apt-get", ["--quiet=2", "-c", join(this.#folder, "apt.conf"), ...commandArguments], {
      cwd: cwd ?? this.#folder,
      env: { ...this.#env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
      signal: this.#signal,
    });
  }
}

/** Reads what `apt-get --print-uris` prints: `'<address>' <file> <bytes> <checksum>` lines among others. */
export function parseUris(text: string): PackageVersion[] {
  const packages: PackageVersion[] = [];
  for (const line of text.split("\n")) {
    const match = /^'[^']+' (\S+)_(\S+)_([^_\s]+)\.deb (\d+)/.exec(line);
    if (match === null) continue;
    const [, name = "", version = "", architecture = "", bytes = ""] = match;
    packages.push({
      name,
      version: decodeURIComponent(version),
      file: basename(`${name}_${version}_${architecture}.deb`),
      bytes: Number(bytes),
    });
  }
  return packages;
}

/** Read after the machine's own configuration, so that its proxies and keys still count. */
function configuration(folder: string): string {
  return `Dir::State "${folder}";
Dir::State::lists "${folder}/lists";
Dir::State::status "${folder}/status";
Dir::Cache "${folder}";
Dir::Cache::archives "${folder}/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Languages "none";
// The user apt would switch to may not be able to reach our folder.
APT::Sandbox::User "";
// What this machine does after an update or an installation is about its own folders.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
`;
}

function failure(what: string, result: ChildResult, complaints = ""): Error {
  const last = (text: string) => text.trim().split("\n").slice(-8).join("\n  ");
  const lines = [
    `${what} ended with ${result.code ?? "a signal"}:`,
    `  ${last(result.stderr.trim() === "" ? result.stdout : result.stderr)}`,
  ];
  if (complaints !== "") lines.push("before that apt-get update had said:", `  ${last(complaints)}`);
  lines.push(
    "The real node takes tools and the content of its images from this machine's package sources (/etc/apt):" +
      " let it reach them, once.",
  );
  return new Error(lines.join("\n"));
}
