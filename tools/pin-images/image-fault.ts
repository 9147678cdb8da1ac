/** Why an image could not be pinned: names the image, its registry, what is wrong and the fix. Holds no credential. */
export class ImageFault extends Error {
  constructor(image: string, registry: string, reason: string, fix: string) {
    super(`${image} at ${registry}: ${reason}. ${fix}`);
  }
}
