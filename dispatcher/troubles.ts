import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "./log";
import { signsOfTrouble, type Sign, type TroubleSources } from "./trouble-sources";

/** Something that is wrong, for a person and for an alert. */
export interface Trouble extends Omit<Sign, "since"> {
  /** RFC 3339; where the state itself does not tell: when it was first seen. */
  since: string;
}

/** What is wrong just now, and since when; says in the log when that changes. */
export class Troubles {
  readonly #sources: TroubleSources;
  readonly #log: Log;
  readonly #now: () => number;
  #known = new Map<string, { sign: Sign; since: number }>();

  /** @param now milliseconds since 1970; default the system's clock. */
  constructor(sources: TroubleSources, log: Log, now: () => number = Date.now) {
    this.#sources = sources;
    this.#log = log;
    this.#now = now;
  }

  /** Looks again and again until the signal, so that `since` is right whenever somebody asks. */
  async run(intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.list();
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** As it stands now. */
  list(): Trouble[] {
    const now = this.#now();
    const found = new Map<string, { sign: Sign; since: number }>();
    for (const sign of signsOfTrouble(this.#sources, now)) {
      const key = `${sign.part} ${sign.cause} ${sign.of ?? ""}`;
      const known = this.#known.get(key);
      found.set(key, { sign, since: sign.since ?? known?.since ?? now });
      if (known === undefined) {
        const { part, cause, of, words, fix } = sign;
        this.#log.warn("trouble", { part, cause, of, why: words, fix });
      }
    }
    for (const [key, { sign, since }] of this.#known) {
      if (!found.has(key)) {
        const { part, cause, of } = sign;
        this.#log.info("trouble over", { part, cause, of, seconds: Math.round((now - since) / 1000) });
      }
    }
    this.#known = found;
    return Array.from(found.values(), ({ sign, since }) => ({ ...sign, since: new Date(since).toISOString() }));
  }

  /** For the metric: each part and cause once, however many queues or templates it concerns. */
  pairs(): { part: string; cause: string }[] {
    const pairs = this.list().map(({ part, cause }) => [`${part} ${cause}`, { part, cause }] as const);
    return [...new Map(pairs).values()];
  }
}
