import { createHash } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { addFolder } from "../parts/add-folder";
import { cacheFolder } from "../parts/cache";
import { runChild } from "../parts/child";
import { isExecutable } from "../parts/on-path";
import { heartbeatMilliseconds, Progress } from "../parts/progress";
import { Apt, type PackageVersion } from "./apt";
import { whyNoPackages } from "./requirements";
import { leftOut, packageSets, type PackageSet } from "./sets";
import { writeTools } from "./tools";
import { unpackPackages } from "./unpack";

export { whyNoPackages } from "./requirements";
export { packageSets, type PackageSet } from "./sets";

/** A package archive in the cache. */
export interface DebianPackage {
  name: string;
  version: string;
  /** The `.deb`, absolute. */
  path: string;
}

/** The distribution's packages, downloaded, and those of the set `host` unpacked and ready to run. */
export interface DebianPackages {
  /** `debian-12`: what they belong to. */
  distribution: string;
  /** The OCI runtime, absolute. */
  runc: string;
  /** The folder of the CNI plugins: bridge, host-local, loopback, portmap and the others of the package. */
  cni: string;
  /** A folder for PATH: iptables (nft), iptables-legacy, their -save and -restore, the same for ip6tables, conntrack, ip, tc. */
  tools: string;
  /** The unpacked tree the above belong to. */
  root: string;
  /** The archives of a set with all it depends on. */
  archives: (set: PackageSet) => DebianPackage[];
  /** Name to version, of all sets together: belongs into results. */
  versions: Record<string, string>;
}

/** What `getPackages` may be told. */
export interface GetPackagesOptions {
  print: (line: string) => void;
  /** Ends what is running and leaves nothing half-made. */
  signal?: AbortSignal;
  /** PATH, HOME, BUILDKITE_LAB_CACHE, XDG_CACHE_HOME and what apt reads (proxies). */
  env?: NodeJS.ProcessEnv;
}

/** Kept in the cache as `packages.json`. */
interface PackagesRecord {
  sets: Record<PackageSet, PackageVersion[]>;
}

const recordName = "packages.json";
const rootName = "root";

/**
 * Gets the packages of all sets from the machine's own distribution (Debian, or one of its relatives with apt). They are
 * downloaded once and stay what they were until the cache is emptied; nothing is installed.
 *
 * @throws where this is no Linux with apt, where no package source answers; the signal's reason.
 */
export async function getPackages(options: GetPackagesOptions): Promise<DebianPackages> {
  const { signal } = options;
  const env = options.env ?? process.env;
  signal?.throwIfAborted();
  const progress = new Progress(options.print, heartbeatMilliseconds);
  const { distribution, architecture } = await whatThisIs(env, signal);
  const wanted = createHash("sha256")
    .update(JSON.stringify([packageSets, leftOut.map(String)]))
    .digest("hex");
  const parent = join(dirname(cacheFolder(env)), "debian");
  const name = `${distribution}-${architecture}-${wanted.slice(0, 12)}`;
  const folder = join(parent, name);

  const isWhole = async () => (await readPackages(folder, distribution)) !== undefined;
  if (await isWhole()) {
    progress.line("packages: all are there");
  } else {
    progress.line(`packages: getting what the lab takes from ${distribution}. Once only: they are cached.`);
    await addFolder(parent, name, isWhole, (temporary) => produce(temporary, progress, env, signal));
    progress.timed("packages: all are there");
  }
  const packages = await readPackages(folder, distribution);
  if (packages === undefined) throw new Error(`the Debian packages vanished from ${folder}`);
  return packages;
}

async function produce(
  folder: string,
  progress: Progress,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<void> {
  const work = join(folder, ".apt");
  await mkdir(work);
  const apt = new Apt(work, env, signal);
  const sets = await progress.step("reading the lists of packages", async () => {
    await apt.update();
    const resolved = {} as Record<PackageSet, PackageVersion[]>;
    for (const set of Object.keys(packageSets) as PackageSet[]) {
      resolved[set] = (await apt.resolve(packageSets[set])).filter(
        (one) => !leftOut.some((pattern) => pattern.test(one.name)),
      );
    }
    return resolved;
  });

  const all = [...new Map(Object.values(sets).flatMap((set) => set.map((one) => [one.file, one]))).values()];
  const megabytes = Math.round(all.reduce((sum, one) => sum + one.bytes, 0) / 1e6);
  const archives = join(folder, "archives");
  await mkdir(archives);
  await progress.step(`downloading ${all.length} packages (${megabytes} MB)`, () => apt.download(all, archives));
  await rm(work, { recursive: true, force: true });

  const root = join(folder, rootName);
  await mkdir(root);
  await unpackPackages(
    sets.host.map(({ file }) => join(archives, file)),
    root,
    env,
    signal,
  );
  await writeTools(root, join(folder, "tools"), rootName);
  await tryTools(folder, env, signal);
  const record: PackagesRecord = { sets };
  await writeFile(join(folder, recordName), JSON.stringify(record, undefined, 1) + "\n");
}

/** What was unpacked must run here: it is not installed, so nobody else has checked what it is linked with. */
async function tryTools(folder: string, env: NodeJS.ProcessEnv, signal: AbortSignal | undefined): Promise<void> {
  for (const [path, question] of [
    [join(folder, rootName, "usr/sbin/runc"), "--version"],
    [join(folder, "tools/iptables"), "--version"],
    [join(folder, "tools/conntrack"), "--version"],
  ] as const) {
    const answer = await runChild(path, [question], { env, signal });
    if (answer.code !== 0) throw new Error(`${path} does not run on this machine: ${answer.stderr.trim()}`);
  }
}

async function readPackages(folder: string, distribution: string): Promise<DebianPackages | undefined> {
  const root = join(folder, rootName);
  const runc = join(root, "usr/sbin/runc");
  try {
    const { sets } = JSON.parse(await readFile(join(folder, recordName), "utf8")) as PackagesRecord;
    if (!(await isExecutable(runc))) return undefined;
    const archives = (set: PackageSet) =>
      sets[set].map(({ name, version, file }) => ({ name, version, path: join(folder, "archives", file) }));
    const all = (Object.keys(packageSets) as PackageSet[]).flatMap(archives);
    for (const path of new Set(all.map((one) => one.path))) await stat(path);
    const versions = Object.fromEntries(
      all.map(({ name, version }) => [name, version] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    return {
      distribution,
      runc,
      cni: join(root, "usr/lib/cni"),
      tools: join(folder, "tools"),
      root,
      archives,
      versions,
    };
  } catch {
    return undefined;
  }
}

async function whatThisIs(
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<{ distribution: string; architecture: string }> {
  const reason = whyNoPackages(env);
  if (reason !== undefined) throw new Error(reason);
  const answer = await runChild("dpkg", ["--print-architecture"], { env, signal });
  const architecture = answer.stdout.trim();
  if (answer.code !== 0 || architecture === "") {
    throw new Error(`dpkg --print-architecture ended with ${answer.code ?? "a signal"}: ${answer.stderr.trim()}`);
  }
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(release)?.[1];
  return { distribution: `${field("ID") ?? "linux"}-${field("VERSION_ID") ?? "unknown"}`, architecture };
}
