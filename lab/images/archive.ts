import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { runChild } from "../parts/child";
import { blobPath, describeImage, type ImageConfig } from "./oci";

/** The sha256 of a file as `sha256:<hex>`. */
export async function digestOf(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash, { signal });
  return `sha256:${hash.digest("hex")}`;
}

/**
 * Makes an image's archive out of the folder that is to be its root: one layer, everything in it owned by root and as old
 * as the epoch, so that the same content gives the same bytes.
 *
 * @param work An empty folder, emptied again.
 */
export async function writeArchive(
  archive: string,
  image: { reference: string; architecture: string; config: ImageConfig },
  root: string,
  work: string,
  signal?: AbortSignal,
): Promise<void> {
  const layout = join(work, "layout");
  const layerFile = join(work, "layer.tar");
  await mkdir(layout);
  await tar(layerFile, root, signal);
  const layer = { digest: await digestOf(layerFile, signal), size: (await stat(layerFile)).size };
  await mkdir(join(layout, "blobs/sha256"), { recursive: true });
  await rename(layerFile, join(layout, blobPath(layer.digest)));
  for (const file of describeImage(image.reference, image.architecture, image.config, layer)) {
    await mkdir(dirname(join(layout, file.path)), { recursive: true });
    await writeFile(join(layout, file.path), file.text);
  }
  await tar(archive, layout, signal);
  await rm(layout, { recursive: true, force: true });
}

async function tar(archive: string, folder: string, signal?: AbortSignal): Promise<void> {
  const result = await runChild(
    "tar",
    [
      "--create",
      "--file",
      archive,
      "--directory",
      folder,
      "--format=gnu",
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mtime=@0",
      ".",
    ],
    { signal },
  );
  if (result.code !== 0) throw new Error(`tar could not pack ${folder}: ${result.stderr.trim().slice(-1000)}`);
}
