import { join } from "node:path";
import { addToCache, cacheFolder, readCache, type Origin } from "./cache";
import { catalogue } from "./catalogue";
import { downloadPart, fetchChecksum, patience, type Checksum, type Patience } from "./download";
import { buildPart, neededGo, whyNoGo } from "./go-build";
import { publishers, type CatalogueEntry, type Download, type Platform, type Publishers } from "./entry";
import type { PartName } from "./names";
import { findOnPath } from "./on-path";
import { heartbeatMilliseconds, Progress } from "./progress";

export { labPartNames, partNames, realNodePartNames, type PartName } from "./names";

/** A binary of the lab, ready to run. */
export interface Part {
  name: PartName;
  /** With its `v`. On PATH it is what the binary says of itself. */
  version: string;
  /** Absolute. Other binaries of the same part (docker-proxy, containerd-shim-runc-v2, ctr) lie beside it. */
  path: string;
  /** Where it came from; for a cached one, where it came from when it was cached. */
  from: "path" | Origin;
  /** Whether it was there already: on PATH, or cached by an earlier run. */
  cached: boolean;
}

/** What `getParts` may be told. Only `print` is needed; the rest is for tests. */
export interface GetPartsOptions {
  /** Ends what is running and leaves nothing half-made. */
  signal?: AbortSignal;
  print: (line: string) => void;
  /** PATH, HOME, BUILDKITE_LAB_CACHE, XDG_CACHE_HOME and what Go reads. */
  env?: NodeJS.ProcessEnv;
  publishers?: Publishers;
  patience?: Patience;
  platform?: Platform;
  /** The folder with the pinned Go modules. */
  modules?: string;
  heartbeatMilliseconds?: number;
}

/** A part that is neither on PATH nor cached, and how it can be had. */
interface Missing {
  entry: CatalogueEntry;
  /** Set where its publisher answered. */
  verified?: { download: Download; checksum: Checksum };
  /** Why it cannot be downloaded, where it cannot. */
  unreachable?: string;
}

/**
 * Gets the named parts: from PATH in a fitting version, from the cache, from their publishers (verified against the
 * checksum served beside the download), or built from Go modules pinned by go.sum; in this order.
 *
 * @throws when neither a download nor Go is there, naming both ways out; what a build failed with; the signal's reason.
 */
export async function getParts<Name extends PartName>(
  names: readonly Name[],
  options: GetPartsOptions,
): Promise<Record<Name, Part>> {
  const { signal } = options;
  const env = options.env ?? process.env;
  const cache = cacheFolder(env);
  const progress = new Progress(options.print, options.heartbeatMilliseconds ?? heartbeatMilliseconds);
  const entries = catalogue.filter((entry) => (names as readonly PartName[]).includes(entry.name));

  const parts = new Map<PartName, Part>();
  for (const part of await Promise.all(entries.map((entry) => find(entry, cache, env, signal)))) {
    if (part !== undefined) parts.set(part.name, part);
  }
  const absent = entries.filter((entry) => !parts.has(entry.name));
  if (absent.length === 0) {
    progress.line(`parts: all ${entries.length} are there`);
  } else {
    const missing = await Promise.all(absent.map((entry) => probe(entry, options)));
    await requireAWay(missing, env, signal);
    progress.line(plan(missing));
    for (const one of missing) {
      parts.set(one.entry.name, await obtain(one, cache, progress, options));
    }
    progress.timed(`parts: all ${entries.length} are there`);
  }
  // Every asked name has an entry, and every entry is in the map by now.
  return Object.fromEntries(parts) as Record<Name, Part>;
}

async function find(
  entry: CatalogueEntry,
  cache: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<Part | undefined> {
  const { name } = entry;
  const found = await findOnPath(entry, env, signal);
  if (found !== undefined) return { name, version: found.version, path: found.path, from: "path", cached: true };
  const cached = await readCache(cache, name, entry.version);
  return cached && { name, version: entry.version, ...cached, cached: true };
}

/** Asks the publisher for the checksum: one short question per part, all at once, tells what can be downloaded. */
async function probe(entry: CatalogueEntry, options: GetPartsOptions): Promise<Missing> {
  const download = entry.download?.(options.publishers ?? publishers, options.platform ?? thisPlatform());
  if (download === undefined) return { entry, unreachable: `nobody serves ${entry.name} with a checksum` };
  try {
    const checksum = await fetchChecksum(download, options.patience ?? patience, options.signal);
    return { entry, verified: { download, checksum } };
  } catch (error) {
    options.signal?.throwIfAborted();
    return { entry, unreachable: (error as Error).message };
  }
}

async function requireAWay(missing: Missing[], env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<void> {
  const stuck = missing.filter((one) => one.verified === undefined);
  if (stuck.length === 0) return;
  const reason = await whyNoGo(env, signal);
  if (reason !== undefined) throw noWay(stuck, reason);
}

function noWay(stuck: Missing[], whyNot: string): Error {
  const reasons = new Set(stuck.flatMap((one) => one.unreachable?.split("; ") ?? []));
  return new Error(
    [
      `The lab needs ${stuck.map(({ entry }) => `${entry.name} ${entry.version}`).join(", ")}.`,
      `They cannot be downloaded: ${[...reasons].join("; ")}.`,
      `They cannot be built: ${whyNot}.`,
      "There are two ways out:",
      `  - let this machine reach ${Object.values(publishers).join(", ")}, or`,
      `  - install Go ${neededGo} or newer (https://go.dev/dl/) and let it reach a Go module proxy.`,
    ].join("\n"),
  );
}

function plan(missing: Missing[]): string {
  const downloads = missing.filter((one) => one.verified !== undefined).map((one) => one.entry);
  const builds = missing.filter((one) => one.verified === undefined).map((one) => one.entry);
  const list = (entries: CatalogueEntry[]) => entries.map(({ name, version }) => `${name} ${version}`).join(", ");
  const sentences: string[] = [];
  if (downloads.length > 0) {
    const megabytes = downloads.reduce((sum, entry) => sum + entry.megabytes, 0);
    sentences.push(`downloading ${list(downloads)} (about ${megabytes} MB)`);
  }
  if (builds.length > 0) {
    const minutes = Math.max(1, Math.round(builds.reduce((sum, entry) => sum + entry.build.seconds, 0) / 60));
    const reasons = new Set(missing.flatMap((one) => one.unreachable?.split("; ") ?? []));
    sentences.push(
      `building ${list(builds)} from Go modules: usually about ${minutes} min in all on 2 cores` +
        ` (no download: ${[...reasons].join("; ")})`,
    );
  }
  return `parts: ${sentences.join("; ")}. Once only: they are cached.`;
}

async function obtain(one: Missing, cache: string, progress: Progress, options: GetPartsOptions): Promise<Part> {
  const { entry, verified } = one;
  const { name, version } = entry;
  const { signal } = options;
  const env = options.env ?? process.env;
  const companions = Object.keys(entry.build.companions ?? {});

  if (verified !== undefined) {
    try {
      const cached = await progress.step(`downloading ${name} ${version}`, () =>
        addToCache(cache, { name, version, from: "download", companions }, (folder) =>
          downloadPart({ name, ...verified }, folder, options.patience ?? patience, signal),
        ),
      );
      return { name, version, ...cached, cached: false };
    } catch (error) {
      signal?.throwIfAborted();
      const unreachable = (error as Error).message;
      progress.timed(`${name} ${version} was not downloaded: ${unreachable}`);
      await requireAWay([{ entry, unreachable }], env, signal);
    }
  }

  const modules = options.modules ?? join(__dirname, "go");
  const cached = await progress.step(`building ${name} ${version}`, () =>
    addToCache(cache, { name, version, from: "go-build", companions }, (folder) =>
      buildPart(entry, folder, modules, env, signal),
    ),
  );
  return { name, version, ...cached, cached: false };
}

function thisPlatform(): Platform {
  return { os: process.platform, arch: process.arch === "x64" ? "amd64" : process.arch };
}
