import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface WatchedDirectoryOptions {
  /** Default 2,000. */
  intervalMs?: number;
  /** The contents are other than before. */
  onChange?: () => void;
  /** It could not be read; what was read before stays. */
  onError?: (error: unknown) => void;
}

/**
 * The files of a mounted Secret: every name that does not begin with a dot. The kubelet swaps them all at once through
 * the symlink `..data`, which file notifications report differently from one file system to the next: so they are read
 * again every few seconds.
 */
export class WatchedDirectory {
  readonly #path: string;
  readonly #options: WatchedDirectoryOptions;
  #files: ReadonlyMap<string, string>;
  #timer: NodeJS.Timeout | undefined;

  private constructor(path: string, files: ReadonlyMap<string, string>, options: WatchedDirectoryOptions) {
    this.#path = path;
    this.#files = files;
    this.#options = options;
    this.#timer = setInterval(() => void this.#reread(), options.intervalMs ?? 2000);
    this.#timer.unref();
  }

  /** @throws when the directory cannot be read. */
  static async open(path: string, options: WatchedDirectoryOptions = {}): Promise<WatchedDirectory> {
    return new WatchedDirectory(path, await readFiles(path), options);
  }

  /** Contents by file name. */
  get files(): ReadonlyMap<string, string> {
    return this.#files;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #reread(): Promise<void> {
    try {
      const files = await readFiles(this.#path);
      const same =
        files.size === this.#files.size && [...files].every(([name, text]) => this.#files.get(name) === text);
      if (!same && this.#timer !== undefined) {
        this.#files = files;
        this.#options.onChange?.();
      }
    } catch (error) {
      this.#options.onError?.(error);
    }
  }
}

async function readFiles(path: string): Promise<Map<string, string>> {
  const names = (await readdir(path)).filter((name) => !name.startsWith(".")).sort();
  const files = new Map<string, string>();
  for (const name of names) {
    files.set(name, await readFile(join(path, name), "utf8"));
  }
  return files;
}
