import { setTimeout as sleep } from "node:timers/promises";
import { jobName, jobUuidOf } from "../components/contract";
import type { HeldJob } from "./held-job";
import type { SeenJob } from "./jobs-watch";
import type { ChangeKind } from "./kubernetes/informer";
import type { Log } from "./log";
import type { Metrics } from "./metrics";
import type { SeenPod } from "./pods-watch";

/** What is known of a live Job beside what the watches tell. */
interface Story {
  readonly name: string;
  readonly uuid: string;
  /** Key, or where only the Job tells: its label. */
  readonly queue: string;
  readonly pipeline: string;
  readonly attempt: number;
  /** `undefined` where it was there already when this process came. */
  readonly made?: { source: string; at: number; scheduledAt: number | undefined };
  /** By `performance.now()`. */
  readonly since: number;
  pod?: SeenPod;
  job?: SeenJob;
  /** Why one of the dispatcher's parts ended it. */
  because?: string;
  /** By `performance.now()`. */
  endedAt?: number;
}

export interface StoriesOptions {
  metrics: Pick<Metrics, "phases">;
  log: Log;
  /** By the label's value. */
  queueOf: (label: string) => string;
  /** Whether the watch shows this very Job. */
  isThere: (name: string, uid: string) => boolean;
  /** Between two looks at what has ended; default 1000. */
  intervalMs?: number;
}

/** After a Job's end its pod's last words may still be on their way: the two watches know nothing of each other. */
const SETTLE_MS = 1000;
/** A Job that the watch does not show for so long is gone. */
const UNSEEN_LIMIT_MS = 60_000;

/**
 * One line for each Job at its end, with its whole story. Only live Jobs are held in memory.
 *
 * The replica that made a Job tells it. Jobs that were there when the process came are told, too, since whoever made
 * them may be gone: without what only their maker knew, and so perhaps twice; the Job's uid in the line shows that. Those
 * that a replica on its way out makes in its last seconds, when its successor has read its list, are told by nobody.
 */
export class Stories {
  readonly #options: StoriesOptions;
  /** By the Job's uid. */
  readonly #live = new Map<string, Story>();
  readonly #ended = new Map<string, Story>();

  constructor(options: StoriesOptions) {
    this.#options = options;
  }

  /** Of how many Jobs something is held. */
  get size(): number {
    return this.#live.size + this.#ended.size;
  }

  /** Whether this replica tells of that Job. */
  has(jobUid: string): boolean {
    return this.#live.has(jobUid);
  }

  /** This replica made the Job. */
  made({ work, runnableAt, attempt }: HeldJob, uid: string): void {
    const { uuid, pipeline } = work.job;
    const queue = work.route.key;
    const made = { source: work.source, at: Date.now(), scheduledAt: runnableAt };
    // What the watches were quicker to tell.
    const known = this.#live.get(uid);
    this.#live.set(uid, {
      ...{ pod: known?.pod, job: known?.job, name: jobName(uuid), uuid, queue, pipeline, attempt, made },
      since: performance.now(),
    });
  }

  /** A Job is there that was there before this process. */
  found(job: SeenJob): void {
    const { name, uid, queue, pipeline, attempt } = job;
    if (!job.finished && !this.#live.has(uid)) {
      const uuid = jobUuidOf(name);
      const story = { name, uuid, queue: this.#options.queueOf(queue), pipeline, attempt, job };
      this.#live.set(uid, { ...story, since: performance.now() });
    }
  }

  jobChanged(kind: ChangeKind, job: SeenJob): void {
    const story = this.#live.get(job.uid);
    if (story !== undefined) {
      story.job = job;
      if (kind === "deleted" || job.finished) {
        this.#end(job.uid, story);
      }
    }
  }

  podChanged(pod: SeenPod): void {
    const story = this.#live.get(pod.jobUid ?? "") ?? this.#ended.get(pod.jobUid ?? "");
    if (story !== undefined) {
      story.pod = pod;
    }
  }

  /** The dispatcher deletes this Job, and why. */
  because(jobUid: string, why: string): void {
    const story = this.#live.get(jobUid);
    if (story !== undefined) {
      story.because = why;
    }
  }

  /** Tells what has ended, until the signal; and then the rest. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await sleep(this.#options.intervalMs ?? 1000, undefined, { signal });
        this.#look(SETTLE_MS);
      }
    } catch (error) {
      if (!signal.aborted) {
        throw error;
      }
      this.#look(0);
    }
  }

  #look(settleMs: number): void {
    const now = performance.now();
    for (const [uid, story] of this.#live) {
      if (now - story.since < UNSEEN_LIMIT_MS) {
        // Those that came later are younger still.
        break;
      }
      if (!this.#options.isThere(story.name, uid)) {
        this.#end(uid, story);
      }
    }
    for (const [uid, story] of this.#ended) {
      if (now - (story.endedAt ?? 0) < settleMs) {
        break;
      }
      this.#ended.delete(uid);
      this.#tell(uid, story);
    }
  }

  #end(uid: string, story: Story): void {
    this.#live.delete(uid);
    story.endedAt = performance.now();
    this.#ended.set(uid, story);
  }

  #tell(uid: string, { name, uuid, queue, pipeline, attempt, made, pod, job, because }: Story): void {
    const seconds = {
      scheduled_to_job: between(made?.scheduledAt, made?.at),
      job_to_node: between(job?.createdAt, pod?.boundAt),
      node_to_agent: between(pod?.boundAt, pod?.startedAt),
      agent: between(pod?.startedAt, pod?.finishedAt),
    };
    for (const [phase, value] of Object.entries(seconds)) {
      // A Job that others may tell as well is counted by its maker only.
      if (value !== undefined && made !== undefined) {
        this.#options.metrics.phases.observe({ queue, phase }, value);
      }
    }
    const finished = job?.finished === true;
    this.#options.log.info("job ended", {
      ...{ uuid, queue, pipeline, source: made?.source, attempt, job: name, uid, node: pod?.node },
      outcome: !finished ? "deleted" : job.failure === undefined ? "completed" : "failed",
      // What was to be deleted and came to its end before that was not.
      why: finished ? job.failure : because,
      ...{ podReason: pod?.reason, exitCode: pod?.exitCode },
      scheduled: timeOf(made?.scheduledAt),
      created: timeOf(job?.createdAt ?? made?.at),
      bound: timeOf(pod?.boundAt),
      started: timeOf(pod?.startedAt),
      finished: timeOf(pod?.finishedAt),
      ended: timeOf(job?.endedAt),
      secondsToJob: seconds.scheduled_to_job,
      secondsToNode: seconds.job_to_node,
      secondsToAgent: seconds.node_to_agent,
      secondsOfAgent: seconds.agent,
    });
  }
}

/** In seconds; 0 where two clocks disagree. */
function between(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : Math.max(to - from, 0) / 1000;
}

function timeOf(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}
