import { labelValue } from "../components/stamp";
import { ATTEMPT_ANNOTATION, PIPELINE_LABEL, QUEUE_LABEL } from "../components/contract";
import { OURS, type AgentsNamespace } from "./agents-namespace";
import { attemptOf, endOf, failureReasonOf, isFinished } from "./judge";
import type { KubernetesClient } from "./kubernetes/client";
import { Informer, type ChangeKind } from "./kubernetes/informer";
import type { Job } from "./kubernetes/objects";
import { readMilliseconds } from "./pods-watch";
import { Watched } from "./watched";

/** What memory holds of a Job. */
export interface SeenJob {
  readonly name: string;
  readonly uid: string;
  /** The label's value. */
  readonly queue: string;
  readonly finished: boolean;
  /**
   * When its pod's time to wait for a node is over, in milliseconds since 1970: a build that begins later might be cut
   * short by the Job's own deadline. `undefined` where the Job does not say.
   */
  readonly waitsUntil: number | undefined;
  /** The label's value. */
  readonly pipeline: string;
  readonly attempt: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number | undefined;
  /** The same; `undefined` while it is live. */
  readonly endedAt: number | undefined;
  /** Kubernetes' word for why it failed. */
  readonly failure: string | undefined;
}

export interface JobsWatchOptions {
  client: KubernetesClient;
  api: AgentsNamespace;
  namespace: string;
  /** Keys of the served queues. */
  queues: readonly string[];
  onGone: (name: string) => void;
  onFinished: (name: string) => void;
  /** Hears of every change, before the other two. */
  onChange?: (kind: ChangeKind, job: SeenJob) => void;
  onError: (error: unknown) => void;
}

/** A create that the watch has not shown after this long was deleted again in a gap of the watch. */
const UNSEEN_LIMIT_MS = 60_000;

/** Our Jobs as the watch last saw them: for counting and for waking those that wait, never for a decision. */
export class JobsWatch extends Watched<SeenJob, Job> {
  protected readonly informer: Informer<SeenJob, Job>;
  readonly #namespace: string;
  readonly #keys: ReadonlyMap<string, string>;
  readonly #live = new Set<string>();
  readonly #unseen = new Map<string, { queue: string; at: number }>();

  constructor(options: JobsWatchOptions) {
    super();
    this.#namespace = options.namespace;
    this.#keys = new Map(options.queues.map((key) => [labelValue(key), key]));
    this.informer = new Informer({
      client: options.client,
      path: options.api.jobsPath,
      query: OURS,
      keep: seen,
      onChange: (kind, job) => {
        options.onChange?.(kind, job);
        this.#unseen.delete(job.name);
        if (kind === "deleted") {
          this.#live.delete(job.name);
          options.onGone(job.name);
        } else if (job.finished) {
          this.#live.delete(job.name);
          options.onFinished(job.name);
        } else {
          this.#live.add(job.name);
        }
      },
      onError: options.onError,
    });
  }

  get(name: string): SeenJob | undefined {
    return this.informer.get(this.#namespace, name);
  }

  /** Whether the Job is there and not finished, or was just made by us. */
  isLive(name: string): boolean {
    return this.#live.has(name) || this.#unseen.has(name);
  }

  /** How many are; what has the name already is what the watch last showed, never a sum of events. */
  liveCount(): number {
    this.#forgetUnseen();
    return this.#live.size + this.#unseen.size;
  }

  /** Live Jobs that the watch shows. */
  live(): SeenJob[] {
    return this.informer.list().filter(({ finished }) => !finished);
  }

  /** Finished Jobs that the watch shows. */
  finished(): SeenJob[] {
    return this.informer.list().filter(({ finished }) => finished);
  }

  /** We made this one; it counts from now on, whenever the watch will show it. */
  created(name: string, queue: string): void {
    this.#forgetUnseen();
    if (this.get(name)?.finished !== false) {
      this.#unseen.set(name, { queue, at: performance.now() });
    }
  }

  /** Live Jobs by queue key, our own creates not yet seen among them; counted anew each time. */
  inFlight(): Map<string, number> {
    const counts = new Map<string, number>([...this.#keys.values()].map((key) => [key, 0]));
    const count = (queue: string): void => {
      counts.set(queue, (counts.get(queue) ?? 0) + 1);
    };
    for (const job of this.informer.list()) {
      if (!job.finished) {
        count(this.#keys.get(job.queue) ?? "other");
      }
    }
    this.#forgetUnseen();
    for (const { queue } of this.#unseen.values()) {
      count(queue);
    }
    return counts;
  }

  #forgetUnseen(): void {
    const now = performance.now();
    for (const [unseen, { at }] of this.#unseen) {
      if (now - at < UNSEEN_LIMIT_MS) {
        break;
      }
      this.#unseen.delete(unseen);
    }
  }
}

/** The Job's deadline counts from its start and is the build's own time and the time to wait for a node together. */
function waitsUntil({ spec, status }: Job): number | undefined {
  const startedAt = Date.parse(status?.startTime ?? "");
  const whole = spec?.activeDeadlineSeconds;
  const build = (spec?.template?.spec as { activeDeadlineSeconds?: number } | undefined)?.activeDeadlineSeconds;
  return Number.isNaN(startedAt) || whole === undefined || build === undefined
    ? undefined
    : startedAt + (whole - build) * 1000;
}

function seen(job: Job): SeenJob {
  const { name, uid, labels = {}, annotations = {}, creationTimestamp } = job.metadata;
  return {
    ...{
      name,
      uid,
      queue: labels[QUEUE_LABEL] ?? "",
      pipeline: labels[PIPELINE_LABEL] ?? "",
      finished: isFinished(job),
    },
    attempt: attemptOf(annotations[ATTEMPT_ANNOTATION]),
    createdAt: readMilliseconds(creationTimestamp),
    endedAt: endOf(job),
    failure: failureReasonOf(job),
    waitsUntil: waitsUntil(job),
  };
}
