import { createHash } from "node:crypto";
import { DIGEST, type Reference } from "./reference";
import type { Registry } from "./registry";
import type { Answer } from "./transport";

/** What a tag points at. */
export interface Resolved {
  readonly digest: string;
  readonly mediaType: string;
  /** `linux/amd64` and others, sorted. */
  readonly platforms: readonly string[];
}

/** The nodes' platform. */
const PLATFORM = "linux/amd64";
const INDEXES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFESTS = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
/** With all four, or a registry would convert an index to one platform's manifest, whose digest is another. */
const ACCEPT = [...INDEXES, ...MANIFESTS];

interface Document {
  readonly mediaType?: string;
  readonly manifests?: unknown;
  readonly config?: { readonly digest?: string };
}

interface Descriptor {
  readonly platform?: Platform;
}

interface Platform {
  readonly os?: unknown;
  readonly architecture?: unknown;
}

/**
 * The digest a tag points at now, by HEAD where the registry offers that: at Docker Hub it does not count as a pull.
 *
 * @throws ImageFault
 */
export async function currentDigest(reference: Reference, registry: Registry): Promise<string> {
  return (await head(reference, registry)) ?? (await get(reference.tag, reference, registry)).digest;
}

/**
 * Resolves a tag, and reads what it points at: the bytes must have the digest, and linux/amd64 must be among them.
 *
 * @throws ImageFault
 */
export async function resolveTag(reference: Reference, registry: Registry): Promise<Resolved> {
  const digest = await head(reference, registry);
  // By digest: were the tag moved in between, the digest and what was looked at would be two things.
  const manifest = await get(digest ?? reference.tag, reference, registry);
  const document = read(manifest.body, registry, "its manifest");
  const mediaType = mediaTypeOf(document, manifest, registry);
  const listed = Array.isArray(document.manifests) ? (document.manifests as readonly (Descriptor | null)[]) : [];
  const platforms = INDEXES.includes(mediaType)
    ? listed.map((descriptor) => platformName(descriptor?.platform))
    : [await platformOf(document, registry)];
  // Attestations stand in an index as manifests for nothing.
  const known = [...new Set(platforms)].filter((platform) => platform !== "unknown/unknown").sort();
  if (!known.includes(PLATFORM)) {
    throw registry.fault(
      `it must hold ${PLATFORM}, which nodes run, but holds ${known.length === 0 ? "no platform" : known.join(", ")}`,
      "Name an image that is built for it",
    );
  }
  return { digest: manifest.digest, mediaType, platforms: known };
}

/** Undefined where the registry does not say by HEAD. */
async function head(reference: Reference, registry: Registry): Promise<string | undefined> {
  const answer = await registry.ask("HEAD", `manifests/${reference.tag}`, ACCEPT);
  if (answer.status === 404) throw notThere(reference, registry);
  const digest = answer.headers.get("docker-content-digest");
  return answer.status === 200 && digest !== null ? checked(digest, registry) : undefined;
}

async function get(at: string, reference: Reference, registry: Registry): Promise<Answer & { digest: string }> {
  const answer = await registry.ask("GET", `manifests/${at}`, ACCEPT);
  if (answer.status === 404) throw notThere(reference, registry);
  if (answer.status !== 200) {
    throw registry.fault(`it answers ${answer.status} to a request for its manifest`, "See that this is a registry");
  }
  const said = answer.headers.get("docker-content-digest");
  const expected = at.includes(":") ? at : said === null ? undefined : checked(said, registry);
  return { ...answer, digest: verified(answer.body, expected, registry, "its manifest") };
}

function notThere({ tag, repository }: Reference, registry: Registry): Error {
  return registry.fault(`there is no tag ${tag} in ${repository} (404)`, "Name a tag that is there");
}

function checked(digest: string, registry: Registry): string {
  if (DIGEST.test(digest)) return digest;
  throw registry.fault(
    `Docker-Content-Digest must be sha256: and 64 hexadecimal digits, got ${JSON.stringify(digest.slice(0, 100))}`,
    "See that this is a registry",
  );
}

function verified(body: Buffer, expected: string | undefined, registry: Registry, what: string): string {
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  if (expected !== undefined && digest !== expected) {
    throw registry.fault(
      `${what} has the digest ${digest}, but the registry says ${expected}`,
      "Something on the way changes it, or the registry is damaged: do not use this image from there",
    );
  }
  return digest;
}

function read(body: Buffer, registry: Registry, what: string): Document {
  try {
    const value = JSON.parse(body.toString("utf8")) as unknown;
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below.
  }
  throw registry.fault(`${what} is no JSON object`, "See that this is a registry");
}

function mediaTypeOf(document: Document, { headers }: Answer, registry: Registry): string {
  const served = (headers.get("content-type") ?? "").split(";")[0]?.trim() ?? "";
  const mediaType = document.mediaType ?? served;
  if (mediaType !== served || !ACCEPT.includes(mediaType)) {
    throw registry.fault(
      `its media type must be one of ${ACCEPT.join(", ")}, but is ${JSON.stringify(mediaType).slice(0, 100)}, served as ${JSON.stringify(served).slice(0, 100)}`,
      "Build the image anew with a current docker buildx, or name another one",
    );
  }
  return mediaType;
}

/** A single manifest does not say its platform: its configuration does. */
async function platformOf({ config }: Document, registry: Registry): Promise<string> {
  const digest = checked(config?.digest ?? "", registry);
  const answer = await registry.ask("GET", `blobs/${digest}`, ["*/*"]);
  if (answer.status !== 200) {
    throw registry.fault(`it answers ${answer.status} to a request for its configuration ${digest}`, "Push it anew");
  }
  verified(answer.body, digest, registry, "its configuration");
  return platformName(read(answer.body, registry, "its configuration") as Platform);
}

/** As Go names it; whatever else a registry says is not shown to a terminal. */
function platformName(platform: Platform | undefined): string {
  const [os, architecture] = [platform?.os, platform?.architecture].map((word) =>
    typeof word === "string" && /^[a-z0-9]{1,20}$/.test(word) ? word : "unknown",
  );
  return `${os ?? "unknown"}/${architecture ?? "unknown"}`;
}
