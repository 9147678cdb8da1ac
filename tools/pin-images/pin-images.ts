import { referenceOf, type ImageEntry } from "../../components/images";
import { readCredentials, type Credentials } from "./credentials";
import { ImageFault } from "./image-fault";
import { readImagesFile, writeImagesFile, type ImagesFile } from "./images-file";
import { UsageError, type PinOptions } from "./options";
import { parseReference, type Reference } from "./reference";
import { Registry } from "./registry";
import { currentDigest, resolveTag } from "./resolve";
import type { Patience } from "./transport";

/** Where `pinImages` works. */
export interface PinContext {
  /** components/image-digests.json. */
  readonly path: string;
  /** DOCKER_CONFIG, HOME. */
  readonly env: NodeJS.ProcessEnv;
  readonly patience: Patience;
  readonly signal?: AbortSignal;
  /** A pinned reference. */
  readonly print: (line: string) => void;
  /** Everything else. */
  readonly note: (line: string) => void;
}

/** One image that is asked for. */
interface Wanted {
  /** Its name in the file; absent for one that is only printed. */
  readonly name?: string;
  readonly reference: Reference;
}

/**
 * Resolves image tags to digests, for the file, for a check of it, or to be printed.
 *
 * @returns the exit code: 0, 1 where a check found something, 3 where an image could not be resolved. Then nothing is
 * written.
 * @throws UsageError for an argument that is no image; Error for a file that cannot be read or written.
 */
export async function pinImages(options: PinOptions, context: PinContext): Promise<number> {
  const file = await readImagesFile(context.path);
  const wanted = wantedOf(options.images, file);
  const credentials = await readCredentials(context.env);
  const faults: string[] = [];
  const inTurn = async <T>(each: (one: Wanted, registry: Registry) => Promise<T>): Promise<T[]> => {
    const results: T[] = [];
    for (const one of wanted) {
      try {
        results.push(await each(one, registryOf(one.reference, credentials, options, context)));
      } catch (error) {
        if (!(error instanceof ImageFault)) throw error;
        faults.push(error.message);
      }
    }
    return results;
  };
  const code = options.check ? await check(inTurn, context) : await pin(inTurn, faults, file, options, context);
  for (const fault of faults) context.note(`FAILED  ${fault}`);
  return faults.length > 0 ? 3 : code;
}

type InTurn = <T>(each: (one: Wanted, registry: Registry) => Promise<T>) => Promise<T[]>;

async function check(inTurn: InTurn, { print, note }: PinContext): Promise<number> {
  const good = await inTurn(async ({ name, reference }, registry) => {
    const { tagged, digest } = reference;
    const now = await currentDigest(reference, registry);
    if (digest === now) {
      print(`${tagged}@${now}`);
      return true;
    }
    const mend = `npm run pin-images -- ${name ?? tagged}`;
    note(
      digest === undefined
        ? `UNPINNED  ${tagged} has no digest: ${mend}`
        : `MOVED  ${tagged} points at ${now} now, pinned is ${digest}: look at what changed, then ${mend}`,
    );
    return false;
  });
  return good.every(Boolean) ? 0 : 1;
}

async function pin(
  inTurn: InTurn,
  faults: readonly string[],
  file: ImagesFile,
  { dryRun }: PinOptions,
  { path, print, note }: PinContext,
): Promise<number> {
  const pinned = await inTurn(async ({ name, reference }, registry) => {
    const { digest, mediaType, platforms } = await resolveTag(reference, registry);
    const former = reference.digest;
    const change = former === digest ? "as before" : former === undefined ? "new" : `was ${former}`;
    note(`${name ?? reference.tagged}: ${change}; ${mediaType}; ${platforms.join(", ")}`);
    const { tagged } = reference;
    return { name, entry: { tag: tagged, pinned: `${tagged}@${digest}`, mediaType } satisfies ImageEntry };
  });
  if (faults.length > 0) {
    note("Nothing was written: not all images could be resolved.");
    return 3;
  }
  for (const { entry } of pinned) print(referenceOf(entry));
  const named = pinned.flatMap(({ name, entry }) => (name === undefined ? [] : [[name, entry] as const]));
  const changed = named.filter(([name, entry]) => JSON.stringify(file.images[name]) !== JSON.stringify(entry));
  if (dryRun) {
    note(`Nothing was written (--dry-run): ${changed.length} of ${named.length} would change in ${path}.`);
  } else if (changed.length > 0) {
    await writeImagesFile(path, { ...file, images: { ...file.images, ...Object.fromEntries(changed) } });
    note(`${path}: ${changed.length} written. Commit it.`);
  } else if (named.length > 0) {
    note(`${path} is current.`);
  }
  return 0;
}

function wantedOf(asked: readonly string[], { images }: ImagesFile): Wanted[] {
  const names = Object.keys(images);
  const one = (text: string): Wanted => {
    const entry = Object.hasOwn(images, text) ? images[text] : undefined;
    try {
      return entry === undefined
        ? { reference: parseReference(text) }
        : { name: text, reference: parseReference(referenceOf(entry)) };
    } catch (error) {
      const known = entry === undefined ? `; it is none of ${names.join(", ")} either` : ` (images.${text})`;
      throw new UsageError(`${(error as Error).message}${known}`);
    }
  };
  return [...new Set(asked.length === 0 ? names : asked)].map(one);
}

function registryOf(
  reference: Reference,
  credentials: Credentials,
  options: PinOptions,
  context: PinContext,
): Registry {
  const { patience, signal } = context;
  const credential = credentials(reference.registry);
  return new Registry(reference, { credential, insecure: options.insecure, patience, signal });
}
