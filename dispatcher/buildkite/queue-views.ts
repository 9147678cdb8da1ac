import { isBefore, type Candidate, type WaitingJobs } from "./waiting-jobs";

/** How it stands with a queue, as its list has it. */
export interface ListedView {
  paused: boolean;
  /** Scheduled there, but taken by no served queue. */
  readonly notServed: number;
  readonly waiting: WaitingJobs;
  /** When the oldest of those without a Job was scheduled that are held here or were tried in vain; Infinity for none. */
  readonly oldestResting: number;
}

/** The same, as its last whole list had it. */
export interface QueueView extends ListedView {
  /** When {@link QueueViews} took it, by `performance.now()`. */
  readonly takenAt: number;
}

/** The same, for others. */
export interface ListedQueue {
  readonly paused: boolean;
  /** Jobs that wait for a slot. */
  readonly waiting: number;
  /** Age of the oldest job without a Job, those held here and those tried in vain among them; 0 for none. */
  readonly oldestSeconds: number;
  readonly notServed: number;
}

/** What others may know of a list, with ages as of now. */
export function listedQueueOf({ paused, waiting, notServed, oldestResting }: QueueView): ListedQueue {
  const oldest = Math.min(waiting.oldestScheduledAt ?? Infinity, oldestResting);
  const oldestSeconds = Math.max((Date.now() - oldest) / 1000, 0);
  return { paused, waiting: waiting.count, oldestSeconds, notServed };
}

/** The last lists of all queues, by queue key. */
export class QueueViews {
  readonly #views = new Map<string, QueueView>();
  readonly #intervalMs: number;
  readonly #isStopped: (queueKey: string) => boolean;

  /**
   * @param intervalMs from one list to the next.
   * @param isStopped whether a queue gets no more Jobs for now.
   */
  constructor(intervalMs: number, isStopped: (queueKey: string) => boolean) {
    this.#intervalMs = intervalMs;
    this.#isStopped = isStopped;
  }

  /** `undefined` before its first list. */
  get(key: string): QueueView | undefined {
    return this.#views.get(key);
  }

  /**
   * Takes new lists, all at one moment: the first job of all queues goes first. Their age counts from here on: in a round
   * that takes long, for one queue or for many, those read first would be too old before they could be acted upon.
   */
  take(views: ReadonlyMap<string, ListedView>): void {
    const takenAt = performance.now();
    views.forEach((view, key) => this.#views.set(key, { ...view, takenAt }));
  }

  /** What was said long ago, before an outage, is not acted upon. */
  isFresh({ takenAt }: QueueView): boolean {
    return performance.now() - takenAt < Math.max(3 * this.#intervalMs, 5000);
  }

  /** The queue whose first job is the first of all that may run. */
  first(): QueueView | undefined {
    let first: { view: QueueView; job: Candidate } | undefined;
    for (const [key, view] of this.#views) {
      const rests = view.paused || this.#isStopped(key) || !this.isFresh(view);
      const job = rests ? undefined : view.waiting.first();
      if (job !== undefined && (first === undefined || isBefore(job, first.job))) {
        first = { view, job };
      }
    }
    return first?.view;
  }
}
