import { setTimeout as sleep } from "node:timers/promises";
import { standingOf } from "../buildkite/job-state";
import type { StacksClient } from "../buildkite/stacks-client";
import { StacksError } from "../buildkite/stacks-error";
import { messageOf } from "../log";
import { issueTokens, reserve } from "./acquisition-calls";
import type { Refusal } from "./refusal";

/** The token of one job. */
export interface Issued {
  readonly token: string;
}

export interface AcquisitionsOptions {
  client: Pick<StacksClient, "call" | "getStates">;
  /** Ends every call. */
  signal: AbortSignal;
  /** For so long a job is kept for its pod, and the token is good, in seconds; default {@link RESERVATION_SECONDS}. */
  seconds?: number;
}

/**
 * From the token to the agent's acquire call: after the engine's start in one sidecar mode; in the other there are the pull
 * of dind's image and the engine's start in between (120 s at most), and the agent's own retries. A pod that dies in
 * between leaves its job reserved for the rest of this, and only then does Buildkite list it again.
 */
export const RESERVATION_SECONDS = 600;

/** Pods that ask within so long share a call. Those that come while a call is under way share the next one. */
const GATHER_MS = 50;
const WHEN_BUILDKITE_IS_AWAY = 10;
const WHEN_NOT_YET = 15;

interface Batch {
  readonly uuids: Set<string>;
  readonly results: Promise<ReadonlyMap<string, Issued | Refusal>>;
}

/** Reserves jobs and has tokens issued for them, many in one call: Buildkite allows 10 such calls in a second. */
export class Acquisitions {
  readonly #options: AcquisitionsOptions;
  #next: Batch | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: AcquisitionsOptions) {
    this.#options = options;
  }

  /** A token for the job, reserved from now on. Never throws: what Buildkite does not give is a refusal. */
  async take(uuid: string): Promise<Issued | Refusal> {
    const batch = (this.#next ??= this.#open());
    batch.uuids.add(uuid);
    try {
      return (await batch.results).get(uuid) ?? { refused: "not_yet", retryAfterSeconds: WHEN_NOT_YET };
    } catch (error) {
      return refusalOf(error);
    }
  }

  #open(): Batch {
    const uuids = new Set<string>();
    const results = this.#last.then(async () => {
      await sleep(GATHER_MS);
      this.#next = undefined;
      return await this.#issue([...uuids]);
    });
    this.#last = results.catch(() => undefined);
    return { uuids, results };
  }

  async #issue(uuids: readonly string[]): Promise<Map<string, Issued | Refusal>> {
    const { client, signal, seconds = RESERVATION_SECONDS } = this.#options;
    const reserved = await reserve(client, uuids, seconds, signal);
    const tokens = reserved.size === 0 ? undefined : await issueTokens(client, [...reserved], seconds, signal);
    const without = uuids.filter((uuid) => tokens?.has(uuid) !== true);
    const states = without.length === 0 ? undefined : await client.getStates(without, signal);
    return new Map(
      uuids.map((uuid) => {
        const token = tokens?.get(uuid);
        return [uuid, token === undefined ? withoutToken(states?.get(uuid)) : { token }];
      }),
    );
  }
}

/** No pod goes on without a token: a job that is still to be run is asked for again. */
function withoutToken(state: string | undefined): Refusal {
  const standing = standingOf(state);
  const isFinal = standing === "with-agent" || standing === "ending" || standing === "over";
  const detail = `Buildkite has it as ${state ?? "unknown"}`;
  return isFinal
    ? { refused: "not_runnable", detail }
    : { refused: "not_yet", retryAfterSeconds: WHEN_NOT_YET, detail };
}

function refusalOf(error: unknown): Refusal {
  const detail = messageOf(error);
  if (error instanceof StacksError && error.status < 500 && error.status !== 429 && error.status !== 408) {
    return { refused: "buildkite_refused", detail };
  }
  const hintMs = error instanceof StacksError ? (error.retryAfterMs ?? 0) : 0;
  return {
    refused: "buildkite_away",
    retryAfterSeconds: Math.max(Math.ceil(hintMs / 1000), WHEN_BUILDKITE_IS_AWAY),
    detail,
  };
}
