/**
 * A stand-in for a controller that polls Buildkite, to have something beside the dispatcher that works the other way.
 *
 * Models: one list of the scheduled jobs every second; then one create for each job that it has not seen before, through
 * one token bucket; the published defaults of the vendor's controller, but without its cap of 25 Jobs in flight, which
 * would only make it slower.
 * Does not prove: anything about the vendor's controller, which does more for each job (it reserves, keeps informers,
 * watches, and makes a call of Buildkite or more for each job) and is written in Go. It is a bound from below for the
 * time that this way of working takes. Its memory and CPU are the bench's own and say nothing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { TokenBucket } from "./token-bucket";

/** How fast a {@link PollingController} may be. */
export interface PollingLimits {
  /** Creates per second. */
  readonly perSecond: number;
  /** Creates at once, before that counts. */
  readonly burst: number;
}

/** The published defaults. */
export const BY_DEFAULT: PollingLimits = { perSecond: 10, burst: 20 };
/** The same with the limit of the Kubernetes client raised. */
export const LIMITS_RAISED: PollingLimits = { perSecond: 1_000, burst: 1_000 };

/** From one poll to the next. */
export const POLL_MS = 1_000;
/** Creates at one time. */
const CONCURRENCY = 25;

export interface PollingControllerOptions {
  readonly limits: PollingLimits;
  /** Ids of all jobs that are scheduled at Buildkite. */
  readonly list: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Makes the Job. */
  readonly create: (uuid: string, signal: AbortSignal) => Promise<unknown>;
}

/** See the top of this file. */
export class PollingController {
  private readonly seen = new Set<string>();
  private readonly queue: string[] = [];
  private readonly bucket: TokenBucket;
  private active = 0;
  private readonly failures: unknown[] = [];

  constructor(private readonly options: PollingControllerOptions) {
    this.bucket = new TokenBucket(options.limits.perSecond, options.limits.burst, performance.now());
  }

  /** Polls, at once for the first time, until the signal. @throws what a list or create failed with: nothing is retried. */
  async run(signal: AbortSignal): Promise<void> {
    for (let due = performance.now(); !signal.aborted; due += POLL_MS) {
      await sleep(Math.max(due - performance.now(), 0), undefined, { signal }).catch(() => undefined);
      if (isAborted(signal)) {
        return;
      }
      for (const uuid of await this.options.list(signal)) {
        if (!this.seen.has(uuid)) {
          this.seen.add(uuid);
          this.queue.push(uuid);
        }
      }
      while (this.active < CONCURRENCY && this.active < this.queue.length) {
        this.active += 1;
        void this.work(signal);
      }
      if (this.failures.length > 0) {
        throw this.failures[0];
      }
    }
  }

  private async work(signal: AbortSignal): Promise<void> {
    try {
      for (let uuid = this.queue.shift(); uuid !== undefined; uuid = this.queue.shift()) {
        const wait = this.bucket.take(performance.now());
        if (wait > 0) {
          await sleep(wait, undefined, { signal });
        }
        await this.options.create(uuid, signal);
      }
    } catch (error) {
      if (!signal.aborted) {
        this.failures.push(error);
      }
    } finally {
      this.active -= 1;
    }
  }
}

/** A call, because the compiler takes a property that was read before an `await` as unchanged after it. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
