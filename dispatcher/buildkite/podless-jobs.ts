import { isDeepStrictEqual } from "node:util";
import { jobUuidOf, JOB_UUID, TEMPLATE_LABEL } from "../../components/contract";
import type { AgentsNamespace } from "../agents-namespace";
import { isDecided } from "../judge";
import type { JobsWatch, SeenJob } from "../jobs-watch";
import type { KubernetesEvent } from "../kubernetes/objects";
import { messageOf } from "../log";
import type { PodsWatch } from "../pods-watch";
import type { QueueRoute } from "../settings";
import { acquiringQueues } from "./acquiring-queues";
import { lookAgain } from "./look";
import { Noted } from "./noted";
import type { Report } from "./report";
import { giveUpUnstartable, type UnstartableParts } from "./unstartable";
import { waitingNote } from "./wait-cause";

export interface PodlessJobsOptions extends UnstartableParts {
  api: Pick<AgentsNamespace, "eventsOf" | "readJob" | "podsOf" | "deleteJob" | "readTemplate">;
  jobs: Pick<JobsWatch, "live">;
  pods: Pick<PodsWatch, "synced" | "jobUids">;
  report: Pick<Report, "giveUp" | "note">;
  queues: readonly QueueRoute[];
  /** Between two looks; a fifth more or less each time. */
  intervalMs: number;
  /** How long a refusal is taken for a change under way. */
  afterMs: number;
  /** A full quota is noted beside a job that has waited for so long. */
  noteAfterMs: number;
}

/** Jobs whose events are read in one look. */
const MOST_READS = 10;

/** What Kubernetes says of a pod that it will not have; a full quota is none of it. */
export function refusalIn(
  newestFirst: readonly KubernetesEvent[],
): { kind: "refused" | "quota"; said: string } | undefined {
  const said = newestFirst.find(({ reason }) => reason === "FailedCreate")?.message;
  if (said === undefined) {
    return undefined;
  }
  if (/exceeded quota|status unknown for quota/.test(said)) {
    return { kind: "quota", said };
  }
  return /is forbidden|denied|is invalid|violates/.test(said) ? { kind: "refused", said } : undefined;
}

/**
 * Jobs that are there and get no pod, because a policy or a quota stands against the pod and not against the Job. Nothing
 * in the Job says so, only its events. A pod that is refused for longer than a change takes is told to Buildkite with the
 * policy's words; a quota that is full means wait.
 */
export class PodlessJobs {
  readonly #options: PodlessJobsOptions;
  /** Keys by label. */
  readonly #queues: ReadonlyMap<string, string>;
  readonly #noted = new Noted();
  /** By the Job's uid: since when it is seen without a pod, by `performance.now()`. */
  #since = new Map<string, number>();
  /** By the Job's uid: when its events were last read. */
  #readAt = new Map<string, number>();

  constructor(options: PodlessJobsOptions) {
    this.#options = options;
    this.#queues = acquiringQueues(options.queues);
  }

  /** Looks again and again until the signal. */
  run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    return lookAgain({ what: "Jobs without a pod", intervalMs, log }, (until) => this.#look(until), signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { jobs, pods, afterMs, log } = this.#options;
    if (!pods.synced) {
      return;
    }
    const now = performance.now();
    const since = new Map<string, number>();
    const withPod = pods.jobUids();
    const podless = jobs.live().filter(({ uid, queue }) => !withPod.has(uid) && this.#queues.has(queue));
    for (const { uid } of podless) {
      since.set(uid, this.#since.get(uid) ?? now);
    }
    this.#since = since;
    this.#readAt = new Map([...this.#readAt].filter(([uid]) => since.has(uid)));
    const secondsOf = ({ uid }: SeenJob): number => (now - (since.get(uid) ?? now)) / 1000;
    const due = podless.filter((job) => secondsOf(job) * 1000 >= afterMs);
    // Each has its turn: behind ten that a full quota holds up there may be one that is refused.
    due.sort((a, b) => (this.#readAt.get(a.uid) ?? 0) - (this.#readAt.get(b.uid) ?? 0));
    for (const job of due.slice(0, MOST_READS)) {
      this.#readAt.set(job.uid, now);
      try {
        await this.#judge(job, secondsOf(job), signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn("Job without a pod not judged, will be tried again", { job: job.name, error: messageOf(error) });
      }
    }
  }

  async #judge({ name, uid, queue }: SeenJob, seconds: number, signal: AbortSignal): Promise<void> {
    const { api, report, noteAfterMs } = this.#options;
    const refusal = refusalIn(await api.eventsOf(uid, signal));
    const uuid = jobUuidOf(name);
    if (refusal?.kind === "quota") {
      if (seconds * 1000 >= noteAfterMs && !this.#noted.has(uid)) {
        const note = waitingNote({ cause: "quota", said: refusal.said }, seconds);
        if ((await report.note(uuid, note)) !== "unsaid") {
          this.#noted.add(uid);
        }
      }
      return;
    }
    if (refusal !== undefined) {
      await this.#giveUp(name, uid, this.#queues.get(queue) ?? "", refusal.said, signal);
    }
  }

  async #giveUp(name: string, uid: string, queue: string, said: string, signal: AbortSignal): Promise<void> {
    const { api, log, onEnding } = this.#options;
    const job = await api.readJob(name, signal);
    const uuid = job?.metadata.labels?.[JOB_UUID] ?? "";
    if (job?.metadata.uid !== uid || job.metadata.deletionTimestamp !== undefined || isDecided(job)) {
      return;
    }
    if ((await api.podsOf(name, signal)).length > 0) {
      return;
    }
    const why = `Kubernetes refuses the build's pod: ${said.slice(0, 2000)}`;
    const template = await api.readTemplate(job.metadata.labels?.[TEMPLATE_LABEL] ?? "", signal);
    if (template === undefined || !isDeepStrictEqual(template.template.spec, job.spec?.template?.spec)) {
      // What was refused is not what the job would get now: the loop makes it another Job, of the template as it is.
      const changed = `${why}; its template has changed since`;
      onEnding(uid, changed);
      if (await api.deleteJob(name, uid, signal)) {
        log.warn("Job deleted", { job: name, uuid, why: changed });
      }
      return;
    }
    await giveUpUnstartable(this.#options, { name, uid, uuid, queue, cause: "FailedCreate", why }, signal);
  }
}
