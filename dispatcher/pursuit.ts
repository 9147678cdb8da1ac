import { jobName } from "../components/contract";
import { stamp, type JobManifest, type PodTemplateObject } from "../components/stamp";
import type { AgentsNamespace } from "./agents-namespace";
import { backoff } from "./backoff";
import type { HeldJob } from "./held-job";
import { isDecided, judge } from "./judge";
import type { Job, Pod } from "./kubernetes/objects";
import { isRunnableSince } from "./late-repeat";
import { messageOf } from "./log";
import type { Patience } from "./patience";
import { failureOf } from "./refusal";
import type { Slots } from "./slots";
import type { Templates } from "./templates";
import type { WaitCause } from "./waiting-room";
import type { Outcome } from "./work";

/** What to wait for before the next step. */
export interface Wait {
  cause: WaitCause;
  milliseconds: number;
  why?: string;
}

/** A decision, what to wait for before the next step, or the Job whose build's state has to be asked for at Buildkite. */
export type Step = Outcome | Wait | { askAbout: string };

export interface PursuitOptions {
  api: Pick<AgentsNamespace, "createJob" | "readJob" | "podsOf" | "deleteJob">;
  templates: Pick<Templates, "watched" | "live">;
  /** Whether there may be pods of the job already: then it is looked before another Job is made. */
  hasPods: (uuid: string) => boolean;
  slots: Slots;
  patience: Patience;
  signal: AbortSignal;
  /** Whether Buildkite is asked before a finished Job is replaced; else the webhook's time decides. */
  asksBuildkite: boolean;
  /** Whether the process is about to end: then no attempt waits for its time. */
  hurried: () => boolean;
}

/** The longest hint of the API server that is followed. */
const LONGEST_HINT_MS = 60_000;

/** One job's way to its Job, a step at a time: each is one create, and what follows from its answer. */
export class Pursuit {
  readonly #options: PursuitOptions;

  constructor(options: PursuitOptions) {
    this.#options = options;
  }

  /** Takes the next step. It ends without having changed anything but what it says. */
  async step(held: HeldJob): Promise<Step> {
    const early = held.notBefore - Date.now();
    if (early > 0 && !this.#options.hurried()) {
      return { cause: "attempt", milliseconds: early };
    }
    try {
      const earlier = this.#options.hasPods(held.work.job.uuid) ? await this.#earlier(held) : undefined;
      if (earlier !== undefined) {
        return earlier;
      }
      const template = await this.#template(held);
      if (template === undefined) {
        // The installation's fault: the namespace is being made anew, or was never finished. No build fails for that.
        return this.#refused(held, `there is no PodTemplate ${held.work.route.template}`, false);
      }
      const manifest = stampOrWhyNot(template, held);
      if (typeof manifest === "string") {
        return this.#refused(held, manifest, true);
      }
      return await this.#create(held, manifest);
    } catch (error) {
      if (failureOf(error).kind !== "exists") {
        return this.#failed(held, error);
      }
    }
    try {
      const existing = await this.#read(held);
      return existing === undefined ? this.#vanished(held) : await this.#existing(held, existing);
    } catch (error) {
      return this.#failed(held, error);
    }
  }

  async #create(held: HeldJob, manifest: JobManifest): Promise<Outcome> {
    const { api, slots, signal } = this.#options;
    const create = (): Promise<string | undefined> => api.createJob(manifest, signal);
    if (held.attempt > 1) {
      // It follows a Job of its own, and what number it has would be forgotten at Buildkite.
      held.jobUid = await create();
      return "replaced";
    }
    const created = await slots.use(create);
    if (created === undefined) {
      held.deferredBy = "cap";
      return "deferred";
    }
    held.jobUid = created.made;
    return "created";
  }

  async #template({ work, freshSince }: HeldJob): Promise<PodTemplateObject | undefined> {
    const { templates, signal } = this.#options;
    const watched = freshSince === undefined ? templates.watched(work.route.template) : undefined;
    return watched ?? (await templates.live(work.route.template, freshSince ?? Date.now(), signal));
  }

  #read({ work }: HeldJob): Promise<Job | undefined> {
    return this.#options.api.readJob(jobName(work.job.uuid), this.#options.signal);
  }

  /**
   * The job has had a pod: what follows from its Job, where that is there; where it is gone, a pod it left behind is on
   * its way out, or an orphan that is looked for, and the next comes after it.
   */
  async #earlier(held: HeldJob): Promise<Step | undefined> {
    const existing = await this.#read(held);
    if (existing !== undefined) {
      return this.#existing(held, existing);
    }
    const pods = await this.#options.api.podsOf(jobName(held.work.job.uuid), this.#options.signal);
    if (pods.some(isLive)) {
      return this.#nameTaken(held, "a pod of its Job that is gone is still there");
    }
    return pods.length > 0 && this.#isNextOfOther(held) ? "deferred" : undefined;
  }

  #vanished(held: HeldJob): Step {
    return this.#isNextOfOther(held) ? "deferred" : this.#nameTaken(held, "it was just deleted");
  }

  /**
   * Of a Job that was there a moment ago: most likely the other replica replaces it, and only it knows the number of the
   * next attempt. Were it 1 again, a job would get more pods than it may. If nobody makes it, the loop finds that out.
   */
  #isNextOfOther({ attempt }: HeldJob): boolean {
    return this.#options.asksBuildkite && attempt === 1;
  }

  /** The name is taken: by whom, and what follows. Everything is judged by what was just read. */
  async #existing(held: HeldJob, existing: Job): Promise<Step> {
    const { api, signal, hurried, patience, asksBuildkite } = this.#options;
    const { uuid } = held.work.job;
    const name = jobName(uuid);
    const { uid } = existing.metadata;
    if (asksBuildkite && isDecided(existing) && held.said?.uid !== uid) {
      return { askAbout: uid };
    }
    const judgement = judge(existing, uuid, patience.firstRetryWaitMs, (endedAt) =>
      asksBuildkite ? held.said?.wanted === true : isRunnableSince(held.runnableAt, endedAt),
    );
    switch (judgement.kind) {
      case "foreign":
        return "foreign";
      case "live":
        // A create without an answer may have been the one that made it.
        held.jobUid = held.waited.has("api_server") ? uid : undefined;
        return "exists";
      case "late-repeat":
        return "late_repeat";
      case "exhausted":
        held.attempt = judgement.attempts;
        held.endedAt = judgement.endedAt;
        return "exhausted";
      case "ending":
        return this.#bounded(held, "ending", 500, 5000, "its Job is about to finish");
      case "terminating":
        held.attempt = judgement.attempt;
        held.notBefore = judgement.notBefore;
        return this.#nameTaken(held, "a Job of this name is being deleted");
      case "replace": {
        // Also while it waits: both replicas wake at that time, and who comes second may find no Job to count from.
        held.attempt = judgement.attempt;
        const early = judgement.notBefore - Date.now();
        if (early > 0 && !hurried()) {
          return { cause: "attempt", milliseconds: early, why: `attempt ${judgement.attempt}` };
        }
        const deleted = await api.deleteJob(name, judgement.uid, signal);
        return this.#nameTaken(held, deleted ? "its finished Job is being deleted" : "its finished Job is gone");
      }
    }
  }

  #failed(held: HeldJob, error: unknown): Step {
    const failure = failureOf(error);
    const why = messageOf(error);
    switch (failure.kind) {
      case "quota":
        // Whoever is woken by a Job's deletion is faster; this is for deletions that the watch does not tell.
        return { cause: "quota", milliseconds: backoff(1000, 15_000, held.fail("quota").count), why };
      case "refused":
        return this.#refused(held, why, failure.ofTheJob);
      case "exists":
      case "unavailable": {
        const hint = failure.kind === "unavailable" ? (failure.retryAfterMs ?? 0) : 0;
        const step = this.#bounded(held, "api_server", 200, 10_000, why);
        const least = Math.min(hint, LONGEST_HINT_MS) * (1 + Math.random() / 4);
        return typeof step === "string" ? step : { ...step, milliseconds: Math.max(step.milliseconds, least) };
      }
    }
  }

  /** A clear no: from now on with a template that was read after it, until that has been refused for long enough. */
  #refused(held: HeldJob, why: string, ofTheJob: boolean): Step {
    const fresh = held.freshSince !== undefined;
    const { count, forMs } = held.fail("refusal");
    held.refusal = why;
    held.refusedForGood = ofTheJob;
    if (fresh && forMs >= this.#options.patience.refusalLimitMs) {
      return "refused";
    }
    held.freshSince = Date.now();
    return { cause: "refusal", milliseconds: backoff(500, 5000, count), why };
  }

  #nameTaken(held: HeldJob, why: string): Step {
    return this.#bounded(held, "name", 250, 5000, why);
  }

  #bounded(held: HeldJob, cause: WaitCause, first: number, longest: number, why: string): Outcome | Wait {
    const { count, forMs } = held.fail(cause);
    if (forMs >= this.#options.patience.waitLimitMs) {
      held.refusal = why;
      return "abandoned";
    }
    return { cause, milliseconds: backoff(first, longest, count), why };
  }
}

/** The Job, or why there can be none. */
function stampOrWhyNot(template: PodTemplateObject, { work, attempt }: HeldJob): JobManifest | string {
  try {
    return stamp(template, work.job, attempt);
  } catch (error) {
    return messageOf(error);
  }
}

/** Whether anything of the pod may still run, or begin to. */
function isLive({ status }: Pod): boolean {
  return status?.phase !== "Succeeded" && status?.phase !== "Failed";
}
