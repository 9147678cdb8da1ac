/**
 * The distribution's own registry (package docker-registry), a real server of the OCI distribution protocol, on loopback.
 *
 * It proves nothing about other registries, least of all about Docker Hub's token server, limits and addresses.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { whyNoPackages } from "../../lab/debian";
import { Apt } from "../../lab/debian/apt";
import { unpackPackages } from "../../lab/debian/unpack";
import { addFolder } from "../../lab/parts/add-folder";
import { cacheFolder } from "../../lab/parts/cache";
import { isExecutable } from "../../lab/parts/on-path";
import { until } from "./until";

const PACKAGE = "docker-registry";

/** Why there can be no registry here; undefined when there can. */
export const whyNoRegistry = (): string | undefined => whyNoPackages();

/**
 * The registry's binary: downloaded with apt into the cache of the lab's packages, once; nothing is installed.
 *
 * @throws with apt's words where no package source answers.
 */
export async function registryBinary(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const parent = join(dirname(cacheFolder(env)), "debian");
  const binary = join(parent, PACKAGE, "usr/bin", PACKAGE);
  const isWhole = () => isExecutable(binary);
  if (!(await isWhole())) {
    await addFolder(parent, PACKAGE, isWhole, async (folder) => {
      const work = join(folder, ".apt");
      await mkdir(work);
      const apt = new Apt(work, env);
      await apt.update();
      // It is linked with libc alone, which is this machine's: both are of one distribution.
      const found = (await apt.resolve([PACKAGE])).filter(({ name }) => name === PACKAGE);
      await apt.download(found, work);
      await unpackPackages(
        found.map(({ file }) => join(work, file)),
        folder,
        env,
      );
      await rm(work, { recursive: true });
    });
  }
  return binary;
}

/** A running registry. */
export class DockerRegistry {
  readonly #process: ChildProcess;
  #log = "";
  /** `127.0.0.1:<port>` */
  host = "";

  /**
   * @param folder For its data and configuration: the caller's to remove.
   * @param auth Its section `auth`, as its documentation says. Default: everybody is let in.
   */
  static async start(binary: string, folder: string, auth: unknown = {}): Promise<DockerRegistry> {
    const path = join(folder, "registry.json");
    const configuration = {
      version: "0.1",
      log: { level: "info", formatter: "json", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, "data") } },
      http: { addr: "127.0.0.1:0" },
      auth,
    };
    // JSON is YAML.
    await writeFile(path, JSON.stringify(configuration));
    await chmod(path, 0o600);
    const registry = new DockerRegistry(spawn(binary, ["serve", path], { stdio: ["ignore", "ignore", "pipe"] }));
    try {
      registry.host = await until("the registry listens", () => registry.#listening());
    } catch (error) {
      await registry.stop();
      throw error;
    }
    return registry;
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#log = (this.#log + text).slice(-65_536)));
  }

  /** Its log, the last 64 KiB. */
  get log(): string {
    return this.#log;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  #listening(): string | undefined {
    if (this.#process.exitCode !== null) throw new Error(`docker-registry ended: ${this.#log.slice(-2000)}`);
    return /listening on (127\.0\.0\.1:\d+)/.exec(this.#log)?.[1];
  }
}

/** What a small client pushes: a manifest for each platform, and an index of them. */
export class ImagePusher {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(host: string, repository: string, authorization?: string) {
    this.#base = `http://${host}/v2/${repository}`;
    this.#headers = authorization === undefined ? {} : { authorization };
  }

  /** Pushes a single image of one platform, with one layer. @returns its descriptor. */
  async manifest(reference: string | undefined, os: string, architecture: string, content = "a layer") {
    const config = await this.#blob(JSON.stringify({ os, architecture, rootfs: { type: "layers", diff_ids: [] } }));
    const layer = await this.#blob(content);
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }],
    });
    return { ...(await this.#manifest(reference, mediaType, text)), platform: { os, architecture } };
  }

  /** Pushes an image of several platforms. @returns the index's descriptor. */
  async index(tag: string, architectures: readonly string[], content?: string) {
    const manifests = [];
    for (const architecture of architectures) {
      manifests.push(await this.manifest(undefined, "linux", architecture, content));
    }
    const mediaType = "application/vnd.oci.image.index.v1+json";
    return this.#manifest(tag, mediaType, JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  }

  async #manifest(reference: string | undefined, mediaType: string, text: string) {
    const descriptor = { mediaType, digest: digestOf(text), size: Buffer.byteLength(text) };
    await this.#send("PUT", `${this.#base}/manifests/${reference ?? descriptor.digest}`, mediaType, text);
    return descriptor;
  }

  async #blob(text: string) {
    const digest = digestOf(text);
    const begun = await this.#send("POST", `${this.#base}/blobs/uploads/`);
    const at = new URL(begun.headers.get("location") ?? "", this.#base);
    at.searchParams.set("digest", digest);
    await this.#send("PUT", at.href, "application/octet-stream", text);
    return { digest, size: Buffer.byteLength(text) };
  }

  async #send(method: string, url: string, type?: string, body?: string): Promise<Response> {
    const headers = { ...this.#headers, ...(type === undefined ? {} : { "content-type": type }) };
    const response = await fetch(url, { method, headers, body });
    if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
    return response;
  }
}

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
