import { randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ImageEntry } from "../../components/images";

/** components/image-digests.json. */
export interface ImagesFile {
  readonly about: string;
  readonly images: Readonly<Record<string, ImageEntry>>;
}

/** @throws Error that names the file and what is wrong with it. */
export async function readImagesFile(path: string): Promise<ImagesFile> {
  const file = JSON.parse(await readFile(path, "utf8")) as Partial<ImagesFile>;
  for (const [name, entry] of Object.entries(file.images ?? {})) {
    if (typeof entry.tag !== "string") throw new Error(`${path}: images.${name}.tag must be an image with a tag`);
  }
  return { about: file.about ?? "", images: file.images ?? {} };
}

/** Writes the file in one step: whoever reads it has the old one or the new one. Formatted as prettier does it. */
export async function writeImagesFile(path: string, file: ImagesFile): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}-${randomBytes(6).toString("hex")}`);
  try {
    await writeFile(temporary, `${JSON.stringify(file, undefined, 2)}\n`);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
