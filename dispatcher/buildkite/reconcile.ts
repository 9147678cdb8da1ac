import { setTimeout as sleep } from "node:timers/promises";
import { jobName } from "../../components/contract";
import { backoff } from "../backoff";
import type { Dispatch } from "../dispatch";
import type { JobsWatch } from "../jobs-watch";
import { messageOf, type Log } from "../log";
import { routeOf } from "../route";
import type { QueueRoute } from "../settings";
import type { BuildkiteHealth } from "./health";
import { SetAside } from "./set-aside";
import type { StacksClient } from "./stacks-client";
import { isStatus } from "./stacks-error";
import { isBefore, WaitingJobs, type Candidate } from "./waiting-jobs";
import { Wake } from "./wake";

export interface ReconcileOptions {
  client: Pick<StacksClient, "listScheduledJobs" | "register">;
  queues: readonly QueueRoute[];
  dispatch: Pick<Dispatch, "submit" | "holds" | "held" | "heldCount" | "full">;
  jobs: Pick<JobsWatch, "synced" | "isLive" | "liveCount">;
  health: BuildkiteHealth;
  /** Whether a queue gets no more Jobs, because its last ones were all in vain. */
  isStopped: (queueKey: string) => boolean;
  log: Log;
  /** Live Jobs there may be, of all queues together. */
  inFlight: number;
  /** From one list to the next; a fifth more or less each time. */
  intervalMs: number;
  /** The longest wait while Buildkite is away or refuses the token. */
  longestWaitMs: number;
  /** Settled once templates and Jobs were read. */
  ready: Promise<unknown>;
}

/** Why a job stays at Buildkite for now. */
export type Deferral = "starting" | "stopped" | "paused" | "waiting" | "cap";

/** How it stands with a queue, as its last whole list had it. */
interface QueueView {
  paused: boolean;
  /** Scheduled there, but taken by no served queue. */
  notServed: number;
  waiting: WaitingJobs;
  /** When the oldest of those without a Job was scheduled that are held here or were tried in vain; Infinity for none. */
  oldestResting: number;
  /** By `performance.now()`. */
  listedAt: number;
}

/** The same, for others. */
export interface ListedQueue {
  paused: boolean;
  /** Jobs that wait for a slot. */
  waiting: number;
  /** Age of the oldest job without a Job, those held here and those tried in vain among them; 0 for none. */
  oldestSeconds: number;
  notServed: number;
}

/** Between two lists that were asked for early. */
const EARLY_LIST_MS = 1000;

/** Makes certain what webhooks make quick: lists the scheduled jobs again and again, and dispatches what has no Job. */
export class Reconcile {
  readonly #options: ReconcileOptions;
  readonly #views = new Map<string, QueueView>();
  readonly #failing = new Set<string>();
  readonly #wake = new Wake();
  /** Jobs that are not to be dispatched for a while. */
  readonly aside = new SetAside();
  #listBegan = 0;
  #listedAt = 0;
  #more = false;
  #retry = false;

  constructor(options: ReconcileOptions) {
    this.#options = options;
  }

  /** When every queue was last listed whole, in milliseconds since 1970; 0 for never. */
  get listedAt(): number {
    return this.#listedAt;
  }

  /** How it stands with a queue, by its key; `undefined` before its first list. */
  view(key: string): ListedQueue | undefined {
    const view = this.#views.get(key);
    if (view === undefined) {
      return undefined;
    }
    const { paused, waiting, notServed } = view;
    const oldest = Math.min(waiting.oldestScheduledAt ?? Infinity, view.oldestResting);
    const oldestSeconds = Math.max((Date.now() - oldest) / 1000, 0);
    return { paused, waiting: waiting.count, oldestSeconds, notServed };
  }

  /** How many Jobs may be added just now; less than 0 where the other replica was quicker. */
  slots(): number {
    const { dispatch, jobs, inFlight } = this.#options;
    let held = 0;
    for (const { work } of dispatch.held()) {
      held += jobs.isLive(jobName(work.job.uuid)) ? 0 : 1;
    }
    return inFlight - jobs.liveCount() - held;
  }

  /**
   * Whether a webhook's job is left at Buildkite, and why: so that it does not overtake those that wait there. The loop
   * finds it.
   */
  defer(queueKey: string): Deferral | undefined {
    const reason = this.#reasonToWait(queueKey);
    if (reason === "waiting" || reason === "cap" || reason === "starting") {
      this.#more = true;
      this.#wake.call();
    }
    return reason;
  }

  /** A Job has ended: there may be a slot. */
  slotFreed(): void {
    this.#wake.call();
  }

  /** Something has changed that may end a trouble with Buildkite, such as the token. */
  tryAgain(): void {
    this.#retry = true;
    this.#wake.call();
  }

  /** Lists and dispatches until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { ready, client, log, intervalMs, longestWaitMs, health } = this.#options;
    try {
      await ready;
      await client.register(signal).catch((error: unknown) => {
        signal.throwIfAborted();
        log.warn("stack not registered, will be tried again", { error: messageOf(error) });
      });
      for (let failures = 0; ;) {
        failures = (await this.#list(signal)) ? 0 : failures + 1;
        this.#handOut();
        const jittered = intervalMs * (0.8 + Math.random() * 0.4);
        const refused = health.tokenRefused ? longestWaitMs : backoff(intervalMs / 4, longestWaitMs, failures);
        await this.#pause(failures === 0 ? jittered : refused, failures === 0, signal);
      }
    } catch (error) {
      if (!signal.aborted) {
        log.error("the reconcile loop has ended", { error: messageOf(error) });
        throw error;
      }
    }
  }

  #reasonToWait(queueKey: string): Deferral | undefined {
    const { jobs, inFlight, dispatch, isStopped } = this.#options;
    if (!jobs.synced) {
      return "starting";
    }
    if (isStopped(queueKey)) {
      return "stopped";
    }
    const view = this.#views.get(queueKey);
    if (view !== undefined && this.#isFresh(view)) {
      if (view.paused) {
        return "paused";
      }
      if (view.waiting.count > 0) {
        return "waiting";
      }
    }
    // The exact number is asked for only where it matters.
    const least = inFlight - jobs.liveCount() - dispatch.heldCount;
    return least > 0 || this.slots() > 0 ? undefined : "cap";
  }

  /** What was said long ago, before an outage, is not acted upon. */
  #isFresh(view: QueueView): boolean {
    return performance.now() - view.listedAt < Math.max(3 * this.#options.intervalMs, 5000);
  }

  /** Waits for the next list, handing out what waits as slots get free. */
  async #pause(milliseconds: number, mayBeEarly: boolean, signal: AbortSignal): Promise<void> {
    let until = performance.now() + milliseconds;
    while (await this.#wake.sleep(Math.max(until - performance.now(), 0), signal)) {
      if (this.#retry) {
        this.#retry = false;
        return;
      }
      // The other replica was woken by the same end: whose create is seen first spares the other its own.
      await sleep(Math.random() * Math.min(100, this.#options.intervalMs / 20), undefined, { signal });
      this.#handOut();
      if (mayBeEarly && this.#more && this.slots() > 0) {
        until = Math.min(until, this.#listBegan + EARLY_LIST_MS);
      }
    }
  }

  /** Lists every queue; returns whether all went well. */
  async #list(signal: AbortSignal): Promise<boolean> {
    const { queues, log } = this.#options;
    this.#listBegan = performance.now();
    this.#more = false;
    let well = true;
    for (const queue of queues) {
      try {
        await this.#listQueue(queue, signal);
        this.#failing.delete(queue.key);
      } catch (error) {
        signal.throwIfAborted();
        well = false;
        if (isStatus(error, 401)) {
          break;
        }
        if (!this.#failing.has(queue.key)) {
          this.#failing.add(queue.key);
          log.warn("queue not listed, will be tried again", { queue: queue.key, error: messageOf(error) });
        }
      }
    }
    this.#listedAt = well ? Date.now() : this.#listedAt;
    return well;
  }

  async #listQueue(queue: QueueRoute, signal: AbortSignal): Promise<void> {
    const { client, queues, inFlight, jobs } = this.#options;
    const waiting = new WaitingJobs(Math.max(inFlight, 500));
    let paused = false;
    let notServed = 0;
    let oldestResting = Infinity;
    for await (const page of client.listScheduledJobs(queue.key, signal)) {
      paused ||= page.paused;
      for (const { uuid, agentQueryRules, pipeline, priority, scheduledAt } of page.jobs) {
        // The agent token is of one cluster, and so is the list.
        const route = routeOf({ agentQueryRules, clusterId: queue.clusterId }, queues);
        if (typeof route === "string") {
          notServed++;
        } else if (this.#isFree(uuid)) {
          waiting.add({ uuid, route, pipeline, priority, scheduledAt });
        } else if (!jobs.isLive(jobName(uuid))) {
          oldestResting = Math.min(oldestResting, scheduledAt ?? Infinity);
        }
      }
    }
    waiting.seal();
    this.#views.set(queue.key, { paused, notServed, waiting, oldestResting, listedAt: performance.now() });
  }

  /** Whether the job has no Job yet, as far as we know, and is not left alone. */
  #isFree(uuid: string): boolean {
    const { dispatch, jobs } = this.#options;
    return !dispatch.holds(uuid) && !jobs.isLive(jobName(uuid)) && !this.aside.has(uuid);
  }

  /** Fills the slots, first by priority, then by age. */
  #handOut(): void {
    const { dispatch } = this.#options;
    for (let slots = this.slots(); slots > 0 && !dispatch.full;) {
      const view = this.#first();
      const job = view?.waiting.first();
      if (view === undefined || job === undefined) {
        return;
      }
      view.waiting.take();
      this.#more ||= view.waiting.usedUp;
      if (this.#isFree(job.uuid) && this.#submit(job)) {
        slots--;
      }
    }
  }

  /** The queue whose first job is the first of all. */
  #first(): QueueView | undefined {
    let first: { view: QueueView; job: Candidate } | undefined;
    for (const [key, view] of this.#views) {
      const rests = view.paused || this.#options.isStopped(key) || !this.#isFresh(view);
      const job = rests ? undefined : view.waiting.first();
      if (job !== undefined && (first === undefined || isBefore(job, first.job))) {
        first = { view, job };
      }
    }
    return first?.view;
  }

  #submit({ uuid, route, pipeline, scheduledAt }: Candidate): boolean {
    const result = this.#options.dispatch.submit({
      job: { uuid, queue: route.key, pipeline },
      ...{ route, runnableAt: scheduledAt, arrivedAt: performance.now(), source: "reconcile" },
    });
    void result?.then((outcome) => {
      this.aside.decided(uuid, outcome);
    });
    return result !== undefined;
  }
}
