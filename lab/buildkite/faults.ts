/** What can be made to go wrong, all of it while the fake runs; see {@link NO_FAULTS} for the sound state. */
export interface Faults {
  /**
   * `refused`: the port is closed, so everything is gone, the agent API too; `reset`: connections break off without an
   * answer; `unavailable`: 503.
   */
  readonly outage: "none" | "refused" | "reset" | "unavailable";
  /** Every answer comes so much later. */
  readonly slowMs: number;
  /** Every call is answered 429. */
  readonly tooManyRequests: boolean;
  /** `Retry-After` and `RateLimit-Reset` of those 429, seconds; 0: no `Retry-After`, as documented, and a reset of 1. */
  readonly retryAfterSeconds: number;
  /** Share of calls answered 500, 502 or 503, 0..1. */
  readonly serverErrorShare: number;
  /** Whom `reset`, `unavailable`, `slowMs`, `tooManyRequests` and `serverErrorShare` meet: the Stacks API, or agents' calls as well. */
  readonly reach: "stacks" | "all";
  /** Lists of scheduled jobs, and only they, show what was so many seconds ago. */
  readonly listLagSeconds: number;
  /** Every answer has fields that nobody knows. */
  readonly unknownFields: boolean;
  /** Share of jobs whose state `get-states` gives a name that nobody knows, 0..1; the same jobs each time. */
  readonly unknownStateShare: number;
  /** Share of reserved jobs for which no job acquisition token is issued, 0..1; the same jobs each time. */
  readonly notIssuedShare: number;
  /** What `get-states` does with ids it does not know: both are possible. */
  readonly unknownJobs: "omit" | "not-found";
  /** What the Stacks `finish` does with a job that an agent has: both are possible. */
  readonly finishAfterAcquire: "refuse" | "accept";
  /** Keys of queues whose dispatch is paused. */
  readonly pausedQueues: readonly string[];
  /** What the flag is called: documentation and the vendor's client differ. */
  readonly pauseField: "dispatch_paused" | "paused";
  /** No agent token is good any more: 401. */
  readonly tokenRevoked: boolean;
  /** Share of webhooks that are never sent, 0..1. */
  readonly webhookDropShare: number;
  /** Each webhook is sent so much later; signed when it is sent. */
  readonly webhookDelayMs: number;
  /** Each webhook is sent so often; 1 is sound. */
  readonly webhookCopies: number;
  /** So many webhooks are collected, or all that come within a second, and sent in another order; 1 is sound. */
  readonly webhookShuffle: number;
  /** Share of webhooks whose body is damaged after it was signed, 0..1. */
  readonly webhookCorruptShare: number;
  /** The clock that signs webhooks is ahead by so much; negative: behind. */
  readonly webhookClockSkewSeconds: number;
}

/** Nothing is wrong. */
export const NO_FAULTS: Faults = {
  outage: "none",
  slowMs: 0,
  tooManyRequests: false,
  retryAfterSeconds: 0,
  serverErrorShare: 0,
  reach: "stacks",
  listLagSeconds: 0,
  unknownFields: false,
  unknownStateShare: 0,
  notIssuedShare: 0,
  unknownJobs: "omit",
  finishAfterAcquire: "refuse",
  pausedQueues: [],
  pauseField: "dispatch_paused",
  tokenRevoked: false,
  webhookDropShare: 0,
  webhookDelayMs: 0,
  webhookCopies: 1,
  webhookShuffle: 1,
  webhookCorruptShare: 0,
  webhookClockSkewSeconds: 0,
};

/** Shares, and what must not be negative, by name. */
const SHARES = [
  "serverErrorShare",
  "unknownStateShare",
  "notIssuedShare",
  "webhookDropShare",
  "webhookCorruptShare",
] as const;
const AMOUNTS = ["slowMs", "retryAfterSeconds", "listLagSeconds", "webhookDelayMs"] as const;
const WORDS = {
  outage: ["none", "refused", "reset", "unavailable"],
  reach: ["stacks", "all"],
  unknownJobs: ["omit", "not-found"],
  finishAfterAcquire: ["refuse", "accept"],
  pauseField: ["dispatch_paused", "paused"],
} as const;
const COUNTS = ["webhookCopies", "webhookShuffle"] as const;

/**
 * The faults with some of them changed.
 *
 * @throws RangeError naming the first that breaks its rule.
 */
export function changeFaults(faults: Faults, change: Partial<Faults>): Faults {
  const changed = { ...faults, ...change };
  for (const name of SHARES) {
    if (!(changed[name] >= 0 && changed[name] <= 1)) {
      throw new RangeError(`${name} must be a share from 0 to 1, got ${changed[name]}`);
    }
  }
  for (const name of AMOUNTS) {
    if (!(changed[name] >= 0)) {
      throw new RangeError(`${name} must be 0 or more, got ${changed[name]}`);
    }
  }
  for (const [name, words] of Object.entries(WORDS) as [keyof typeof WORDS, readonly string[]][]) {
    if (!words.includes(changed[name])) {
      throw new RangeError(`${name} must be one of ${words.join(", ")}, got ${changed[name]}`);
    }
  }
  for (const name of COUNTS) {
    if (!Number.isInteger(changed[name]) || changed[name] < 1) {
      throw new RangeError(`${name} must be an integer of 1 or more, got ${changed[name]}`);
    }
  }
  return changed;
}

/** What is not sound, one `name: value` each; empty when nothing is wrong. */
export function describeFaults(faults: Faults): string[] {
  return (Object.keys(NO_FAULTS) as (keyof Faults)[])
    .filter((name) => JSON.stringify(faults[name]) !== JSON.stringify(NO_FAULTS[name]))
    .map((name) => `${name}: ${JSON.stringify(faults[name])}`);
}
