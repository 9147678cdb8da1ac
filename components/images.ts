import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One image as image-digests.json holds it. */
export interface ImageEntry {
  /** With an exact version tag, never `latest`: `docker:29.7.2-dind`. */
  readonly tag: string;
  /**
   * The tag and what it pointed at when `npm run pin-images` asked the registry: `docker:29.7.2-dind@sha256:…`. Of another
   * tag than `tag`, which somebody has changed since, it says nothing. Absent: nobody has asked.
   */
  readonly pinned?: string;
  /** Of what the digest names: an index (one manifest for each platform), or a single manifest. */
  readonly mediaType?: string;
}

/** The images used when a caller names none. */
export interface ImageEntries {
  /**
   * Buildkite's agent, major 3: the version that the conformance suite builds from source and runs. Newer than 3.137.2,
   * whose predecessors can hang after a refused heartbeat (agent PR 4274).
   */
  readonly agent: ImageEntry;
  /** Docker's own dind image: dockerd, its entrypoint and docker-init. */
  readonly dind: ImageEntry;
  /** Stock Node that runs the dispatcher's bundle. */
  readonly node: ImageEntry;
}

/** The name of an image in image-digests.json. */
export type ImageName = keyof ImageEntries;

// Read and not imported: a program of somebody else's need not switch on JSON modules for its compiler. It is not called
// images.json, which Node would take for "./images" before it asks ts-node for this file.
const { images } = JSON.parse(readFileSync(join(__dirname, "image-digests.json"), "utf8")) as { images: ImageEntries };

/** `docker:29.7.2-dind`, or `docker:29.7.2-dind@sha256:…` once that tag is pinned: then the digest decides. */
export function referenceOf({ tag, pinned }: ImageEntry): string {
  return pinned?.startsWith(`${tag}@`) === true ? pinned : tag;
}

/** The images as image-digests.json holds them. */
export const IMAGE_ENTRIES: ImageEntries = images;

/** What pods are given: {@link referenceOf} of each image. */
export const IMAGES: Readonly<Record<ImageName, string>> = {
  agent: referenceOf(images.agent),
  dind: referenceOf(images.dind),
  node: referenceOf(images.node),
};
