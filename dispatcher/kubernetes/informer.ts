import { setTimeout as sleep } from "node:timers/promises";
import { isAborted } from "../is-aborted";
import { KubernetesError, type KubernetesClient, type KubernetesStatus, type Query } from "./client";
import { messageOf } from "../log";
import { METADATA_LIST_ONLY, METADATA_ONLY } from "./objects";
import { pauseAfter } from "./pause";

/** What every object that is listed has. */
export interface KubernetesObject {
  metadata: { name: string; namespace?: string; resourceVersion?: string };
}

export type ChangeKind = "added" | "modified" | "deleted";

export interface InformerOptions<Kept, Watched extends KubernetesObject> {
  client: KubernetesClient;
  /** For example `/apis/batch/v1/namespaces/agents/jobs`. */
  path: string;
  /** Selectors. */
  query?: Query;
  /** Of the objects only the metadata is asked for: lists and watches of pods get much smaller. */
  metadataOnly?: boolean;
  /** What memory is to hold of an object. */
  keep: (object: Watched) => Kept;
  /** Called in order, never awaited. After a gap in the watch it tells the difference. */
  onChange?: (kind: ChangeKind, kept: Kept, previous: Kept | undefined) => void;
  /** A list or watch failed; it is tried again by itself. */
  onError?: (error: unknown) => void;
  /** Objects per page of the list; default 100: pages are the most that a list needs of memory. */
  pageSize?: number;
}

interface List<Watched> {
  metadata: { resourceVersion: string; continue?: string };
  items?: Watched[] | null;
}

interface Entry<Kept> {
  kept: Kept;
  resourceVersion: string | undefined;
}

/** Milliseconds since 1970, and what the last try said. */
export interface InformerFailure {
  since: number;
  error: string;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;

/** A copy of a collection, kept current by list and watch, holding only what `keep` returns of each object. */
export class Informer<Kept, Watched extends KubernetesObject = KubernetesObject> {
  readonly #options: InformerOptions<Kept, Watched>;
  readonly #stopping = new AbortController();
  #entries = new Map<string, Entry<Kept>>();
  #synced = false;
  #lastContact = 0;
  #failure: InformerFailure | undefined;
  #resourceVersion: string | undefined;

  constructor(options: InformerOptions<Kept, Watched>) {
    this.#options = options;
  }

  /** True once the whole collection was read for the first time. */
  get synced(): boolean {
    return this.#synced;
  }

  /** When the API server last told us anything, in milliseconds since 1970; 0 before the first time. */
  get lastContact(): number {
    return this.#lastContact;
  }

  /** Since when lists and watches fail, and why; `undefined` while they do not. */
  get failure(): InformerFailure | undefined {
    return this.#failure;
  }

  list(): Kept[] {
    return Array.from(this.#entries.values(), (entry) => entry.kept);
  }

  get(namespace: string, name: string): Kept | undefined {
    return this.#entries.get(`${namespace}/${name}`)?.kept;
  }

  /**
   * Begins; resolves once the collection was read for the first time, however often that has to be tried.
   *
   * @param signal ends the informer, as {@link stop} does.
   * @throws AbortError when it is stopped before that.
   */
  start(signal?: AbortSignal): Promise<void> {
    const stopped = signal === undefined ? this.#stopping.signal : AbortSignal.any([signal, this.#stopping.signal]);
    return new Promise((resolve, reject) => {
      this.#run(stopped, resolve).then(
        () => {
          reject(new DOMException("The informer was stopped.", "AbortError"));
        },
        (error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(signal: AbortSignal, onSynced: () => void): Promise<void> {
    let wait = FIRST_WAIT_MS;
    while (!signal.aborted) {
      const began = Date.now();
      let hint: number | undefined;
      try {
        if (this.#resourceVersion === undefined) {
          await this.#relist(signal);
          this.#synced = true;
          onSynced();
        }
        await this.#follow(signal);
      } catch (error) {
        if (isAborted(signal)) {
          return;
        }
        if (error instanceof KubernetesError) {
          hint = error.retryAfterSeconds;
          if (error.status === 410) {
            this.#resourceVersion = undefined;
          }
        }
        this.#failure = { since: this.#failure?.since ?? Date.now(), error: messageOf(error) };
        this.#options.onError?.(error);
      }
      // A watch that lasted was healthy: the server ends every watch after some minutes.
      wait = Date.now() - began > LONGEST_WAIT_MS ? FIRST_WAIT_MS : Math.min(wait * 2, LONGEST_WAIT_MS);
      await sleep(pauseAfter(wait, hint), undefined, { signal }).catch(() => undefined);
    }
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { client, path, query, metadataOnly, pageSize = 100 } = this.#options;
    const accept = metadataOnly === true ? METADATA_LIST_ONLY : undefined;
    // Of each page only what memory is to hold: thousands of whole objects at once are more than there is room for.
    const found = new Map<string, Entry<Kept>>();
    let page: string | undefined;
    let resourceVersion: string;
    do {
      const options = { query: { ...query, limit: pageSize, continue: page }, accept, signal };
      const list = await client.request<List<Watched>>("GET", path, options);
      for (const object of list.items ?? []) {
        found.set(keyOf(object), this.#entryOf(object));
      }
      resourceVersion = list.metadata.resourceVersion;
      page = list.metadata.continue === "" ? undefined : list.metadata.continue;
      this.#healthy();
    } while (page !== undefined);
    for (const [key, entry] of [...this.#entries]) {
      if (!found.has(key)) {
        this.#forget(key, entry.kept);
      }
    }
    found.forEach((entry, key) => {
      this.#put(key, entry);
    });
    this.#resourceVersion = resourceVersion;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { client, path, query, metadataOnly } = this.#options;
    const events = client.watch<Watched>(path, {
      query: {
        ...query,
        allowWatchBookmarks: true,
        resourceVersion: this.#resourceVersion,
        timeoutSeconds: 240 + Math.floor(Math.random() * 60),
      },
      accept: metadataOnly === true ? METADATA_ONLY : undefined,
      onOpen: () => {
        this.#healthy();
      },
      signal,
    });
    for await (const { type, object } of events) {
      this.#lastContact = Date.now();
      if (type === "ERROR") {
        const status = object as unknown as KubernetesStatus;
        // Whatever it is, what we hold may be behind: read it anew.
        this.#resourceVersion = undefined;
        throw new KubernetesError(`watch ${path}`, status.code ?? 500, status);
      }
      if (type === "DELETED") {
        this.#forget(keyOf(object), this.#options.keep(object));
      } else if (type !== "BOOKMARK") {
        this.#put(keyOf(object), this.#entryOf(object));
      }
      this.#resourceVersion = object.metadata.resourceVersion;
    }
  }

  #entryOf(object: Watched): Entry<Kept> {
    return { kept: this.#options.keep(object), resourceVersion: object.metadata.resourceVersion };
  }

  #put(key: string, entry: Entry<Kept>): void {
    const previous = this.#entries.get(key);
    if (previous !== undefined && previous.resourceVersion === entry.resourceVersion) {
      return;
    }
    this.#entries.set(key, entry);
    this.#options.onChange?.(previous === undefined ? "added" : "modified", entry.kept, previous?.kept);
  }

  #healthy(): void {
    this.#lastContact = Date.now();
    this.#failure = undefined;
  }

  #forget(key: string, kept: Kept): void {
    const previous = this.#entries.get(key);
    if (this.#entries.delete(key)) {
      this.#options.onChange?.("deleted", kept, previous?.kept);
    }
  }
}

function keyOf(object: KubernetesObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}
