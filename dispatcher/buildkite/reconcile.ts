import { setTimeout as sleep } from "node:timers/promises";
import { jobName } from "../../components/contract";
import { backoff } from "../backoff";
import type { Dispatch } from "../dispatch";
import type { JobsWatch } from "../jobs-watch";
import { messageOf, type Log } from "../log";
import type { Metrics } from "../metrics";
import { routeOf } from "../route";
import type { QueueRoute } from "../settings";
import type { BuildkiteHealth } from "./health";
import { SetAside } from "./set-aside";
import type { StacksClient } from "./stacks-client";
import { isStatus } from "./stacks-error";
import { listedQueueOf, QueueViews, type ListedQueue, type ListedView } from "./queue-views";
import { WaitingJobs, type Candidate } from "./waiting-jobs";
import { Wake } from "./wake";

export interface ReconcileOptions {
  client: Pick<StacksClient, "listScheduledJobs" | "register">;
  queues: readonly QueueRoute[];
  dispatch: Pick<Dispatch, "submit" | "holds" | "held" | "heldCount" | "loopShare">;
  jobs: Pick<JobsWatch, "synced" | "isLive" | "liveCount">;
  health: BuildkiteHealth;
  /** Whether a queue gets no more Jobs, because its last ones were all in vain. */
  isStopped: (queueKey: string) => boolean;
  metrics: Pick<Metrics, "ignored">;
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

/** Between two lists that were asked for early. */
const EARLY_LIST_MS = 1000;

/** Makes certain what webhooks make quick: lists the scheduled jobs again and again, and dispatches what has no Job. */
export class Reconcile {
  readonly #options: ReconcileOptions;
  readonly #views: QueueViews;
  readonly #failing = new Set<string>();
  readonly #malformed = new Set<string>();
  readonly #wake = new Wake();
  /** Jobs that are not to be dispatched for a while. */
  readonly aside = new SetAside();
  #listBegan = 0;
  #listedAt = 0;
  #more = false;
  #retry = false;
  /** The last hand-out ended because enough was held, not because nothing waited. */
  #heldUp = false;
  /** Of {@link run}. */
  #signal: AbortSignal | undefined;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#views = new QueueViews(options.intervalMs, options.isStopped);
  }

  /** When every queue was last listed whole, in milliseconds since 1970; 0 for never. */
  get listedAt(): number {
    return this.#listedAt;
  }

  /** How it stands with a queue, by its key; `undefined` before its first list. */
  view(key: string): ListedQueue | undefined {
    const view = this.#views.get(key);
    return view && listedQueueOf(view);
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
      this.missed();
    }
    return reason;
  }

  /** A scheduled job was not taken, and is not in the last list: the next one comes early. */
  missed(): void {
    this.#more = true;
    this.#wake.call();
  }

  /**
   * A held job is decided. What waits is handed out before nothing is held any more, also while a list is under way, which
   * takes seconds at the pace that is allowed: the API server is never idle.
   */
  roomMade(): void {
    const { heldCount, loopShare } = this.#options.dispatch;
    if (this.#heldUp && heldCount <= loopShare / 2 && this.#signal?.aborted === false) {
      this.#handOut();
    }
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
    this.#signal = signal;
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
    if (view !== undefined && this.#views.isFresh(view)) {
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

  /** Lists every queue; returns whether the next list comes at its ordinary time. */
  async #list(signal: AbortSignal): Promise<boolean> {
    const { queues, log } = this.#options;
    this.#listBegan = performance.now();
    this.#more = false;
    let whole = true;
    let away = false;
    const views = new Map<string, ListedView>();
    for (const queue of queues) {
      try {
        views.set(queue.key, await this.#listQueue(queue, signal));
        this.#failing.delete(queue.key);
      } catch (error) {
        signal.throwIfAborted();
        whole = false;
        if (isStatus(error, 401)) {
          away = true;
          break;
        }
        // A queue that Buildkite does not know must not slow down the others.
        away ||= !isStatus(error, 400, 403, 404, 422);
        if (!this.#failing.has(queue.key)) {
          this.#failing.add(queue.key);
          log.warn("queue not listed, will be tried again", { queue: queue.key, error: messageOf(error) });
        }
      }
    }
    this.#views.take(views);
    this.#listedAt = whole ? Date.now() : this.#listedAt;
    return !away && (whole || views.size > 0);
  }

  async #listQueue(queue: QueueRoute, signal: AbortSignal): Promise<ListedView> {
    const { client, queues, inFlight, jobs } = this.#options;
    const waiting = new WaitingJobs(Math.max(inFlight, 500));
    let paused = false;
    let notServed = 0;
    let malformed = 0;
    let oldestResting = Infinity;
    for await (const page of client.listScheduledJobs(queue.key, signal)) {
      paused ||= page.paused;
      malformed += page.malformed;
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
      // Until the list is whole, the one before serves.
      const before = this.#views.get(queue.key);
      if (before !== undefined) {
        before.paused ||= page.paused;
      }
    }
    waiting.seal();
    this.#tellMalformed(queue.key, malformed);
    return { paused, notServed, waiting, oldestResting };
  }

  /** They get no Job: said once for as long as there are any, and counted with each list. */
  #tellMalformed(queue: string, jobs: number): void {
    const { metrics, log } = this.#options;
    if (jobs === 0) {
      this.#malformed.delete(queue);
      return;
    }
    metrics.ignored.inc({ cause: "listed_malformed" }, jobs);
    if (!this.#malformed.has(queue)) {
      this.#malformed.add(queue);
      log.error("listed jobs not understood", {
        queue,
        jobs,
        why: "id or agent_query_rules are not what they should be",
      });
    }
  }

  /** Whether the job has no Job yet, as far as we know, and is not left alone. */
  #isFree(uuid: string): boolean {
    const { dispatch, jobs } = this.#options;
    return !dispatch.holds(uuid) && !jobs.isLive(jobName(uuid)) && !this.aside.has(uuid);
  }

  /** Fills the slots, first by priority, then by age. */
  #handOut(): void {
    const { dispatch } = this.#options;
    for (let slots = this.slots(); slots > 0;) {
      this.#heldUp = dispatch.heldCount >= dispatch.loopShare;
      if (this.#heldUp) {
        return;
      }
      const view = this.#views.first();
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
