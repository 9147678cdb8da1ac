import { createHash, type Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import type { ChecksumSource, Download } from "./entry";
import { runChild } from "./child";

/** A checksum as its publisher served it. */
export interface Checksum {
  algorithm: "sha256" | "sha512";
  hex: string;
}

/** How long a publisher may keep us waiting, in milliseconds. */
export interface Patience {
  /** For all checksums of a part together: this is also what finds out whether the publisher can be reached. */
  checksum: number;
  /** Between two pieces of a download. */
  stall: number;
}

/** What a person behind an ordinary line needs; unreachable publishers cost 3 s in all. */
export const patience: Patience = { checksum: 3000, stall: 20_000 };

const checksumBytes = 4 * 1024 * 1024;

/**
 * The checksum the publisher serves for a download. It is asked for first: whoever answers can be reached.
 *
 * @throws why there is none: not reachable in time, refused, or an answer that does not name the file.
 */
export async function fetchChecksum(download: Download, limit: Patience, signal?: AbortSignal): Promise<Checksum> {
  const timeout = AbortSignal.timeout(limit.checksum);
  const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const reasons: string[] = [];
  for (const source of download.checksums) {
    try {
      return await readChecksum(source, basename(new URL(download.url).pathname), both);
    } catch (error) {
      signal?.throwIfAborted();
      reasons.push((error as Error).message);
    }
  }
  throw new Error(reasons.join("; "));
}

async function readChecksum(source: ChecksumSource, file: string, signal: AbortSignal): Promise<Checksum> {
  const { host } = new URL(source.url);
  let response: Response;
  let text: string;
  try {
    response = await fetch(source.url, { signal, headers: { "user-agent": "buildkite-scale-to-zero" } });
    text = await readText(response);
  } catch (error) {
    throw new Error(`${host}: ${signal.aborted ? "no answer in time" : describe(error)}`, { cause: error });
  }
  if (!response.ok) throw new Error(`${host}: HTTP ${response.status} for the checksum`);
  const hex = source.format === "text" ? findInText(text, file) : findInRelease(text, file);
  if (hex === undefined) throw new Error(`${host}: serves no checksum for ${file}`);
  return { algorithm: hex.length === 128 ? "sha512" : "sha256", hex };
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > checksumBytes) throw new Error("an endless list of checksums");
  }
  return text;
}

const hexPattern = /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/;

function findInText(text: string, file: string): string | undefined {
  for (const line of text.split("\n")) {
    const [hex = "", name] = line.trim().split(/\s+/, 2);
    // A line without a name stands for the one file that it is served beside.
    if (hexPattern.test(hex.toLowerCase()) && (name === undefined || basename(name.replace(/^\*/, "")) === file)) {
      return hex.toLowerCase();
    }
  }
  return undefined;
}

function findInRelease(text: string, file: string): string | undefined {
  let release: { assets?: { name?: string; digest?: string | null }[] } | null;
  try {
    release = JSON.parse(text) as typeof release;
  } catch {
    // A proxy's page, say. It names no file, and the parser's own words name no publisher.
    return undefined;
  }
  const digest = release?.assets?.find((asset) => asset.name === file)?.digest ?? "";
  const hex = /^sha(?:256|512):(.*)$/.exec(digest)?.[1];
  return hex !== undefined && hexPattern.test(hex) ? hex : undefined;
}

/**
 * Downloads a part into `folder`, verified before anything is unpacked or made executable.
 *
 * @throws when it is refused, stalls, ends early or does not have the checksum. What came is removed then.
 */
export async function downloadPart(
  part: { name: string; download: Download; checksum: Checksum },
  folder: string,
  limit: Patience,
  signal?: AbortSignal,
): Promise<void> {
  const { name, download, checksum } = part;
  const file = join(folder, ".download");
  try {
    await fetchFile(download.url, file, checksum, limit, signal);
    if (download.archive === undefined) {
      await rename(file, join(folder, name));
      await chmod(join(folder, name), 0o755);
    } else {
      await unpack(file, download.archive.files, folder, signal);
    }
  } finally {
    await rm(file, { force: true });
  }
}

async function fetchFile(url: string, file: string, checksum: Checksum, limit: Patience, signal?: AbortSignal) {
  const { host } = new URL(url);
  const stalled = new AbortController();
  const both = signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]);
  const timer = setTimeout(() => {
    stalled.abort();
  }, limit.stall);
  const hash = createHash(checksum.algorithm);
  try {
    const response = await fetch(url, { signal: both });
    if (!response.ok || response.body === null) {
      // Unread, it would hold its connection for as long as the publisher likes.
      await response.body?.cancel();
      throw new Error(`HTTP ${response.status}`);
    }
    const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
    await pipeline(body, hashing(hash, timer), createWriteStream(file), { signal: both });
  } catch (error) {
    signal?.throwIfAborted();
    const reason = stalled.signal.aborted ? `no data for ${limit.stall / 1000} s` : describe(error);
    throw new Error(`${host}: ${reason}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  const hex = hash.digest("hex");
  if (hex !== checksum.hex) {
    throw new Error(`${host}: ${url} has ${checksum.algorithm} ${hex}, its publisher says ${checksum.hex}`);
  }
}

function hashing(hash: Hash, timer: NodeJS.Timeout): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      timer.refresh();
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

async function unpack(file: string, wanted: string[], folder: string, signal?: AbortSignal): Promise<void> {
  const unpacked = join(folder, ".unpacked");
  await mkdir(unpacked);
  try {
    const result = await runChild("tar", ["-xzf", file, "-C", unpacked, ...wanted], { signal });
    if (result.code !== 0) throw new Error(`tar: ${result.stderr.trim()}`);
    for (const path of wanted) {
      await rename(join(unpacked, path), join(folder, basename(path)));
      await chmod(join(folder, basename(path)), 0o755);
    }
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

/** The innermost cause: `fetch failed` alone tells nobody anything. */
function describe(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  if (!(inner instanceof Error)) return String(inner);
  const { code } = inner as NodeJS.ErrnoException;
  return inner.message === "" && code !== undefined ? code : inner.message;
}
