import { type DebianPackages, getPackages } from "./debian";
import { buildImages, type Images } from "./images";
import { getParts, type Part, type PartName, partNames } from "./parts";

/** What a lab with real nodes is made of. */
export interface RealParts {
  readonly parts: Record<PartName, Part>;
  readonly packages: DebianPackages;
  readonly images: Images;
}

/**
 * Gets all of them, from the caches where they are there. Inside the namespaces there is no network: they must have been
 * got outside before.
 *
 * @throws what could not be had, with the ways out; the signal's reason.
 */
export async function getRealParts(options: {
  readonly signal?: AbortSignal;
  readonly print: (line: string) => void;
}): Promise<RealParts> {
  const parts = await getParts(partNames, options);
  const packages = await getPackages(options);
  const images = await buildImages({ parts, packages, ...options });
  return { parts, packages, images };
}
