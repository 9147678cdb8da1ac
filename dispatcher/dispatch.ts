import { setMaxListeners } from "node:events";
import { jobName } from "../components/contract";
import type { AgentsNamespace } from "./agents-namespace";
import { Gate } from "./gate";
import { HeldJob } from "./held-job";
import { messageOf, type Log } from "./log";
import type { Metrics } from "./metrics";
import type { DispatcherLimits } from "./settings";
import type { Patience } from "./patience";
import { Pursuit, type Step } from "./pursuit";
import type { Slots } from "./slots";
import type { Templates } from "./templates";
import type { WaitingRoom } from "./waiting-room";
import type { Outcome, Work } from "./work";

export interface DispatchOptions {
  api: AgentsNamespace;
  templates: Templates;
  room: WaitingRoom;
  limits: DispatcherLimits;
  patience: Patience;
  metrics: Metrics;
  log: Log;
  /** Whether there may be pods of the job, as the watch last saw them. */
  hasPods: (uuid: string) => boolean;
  slots: Slots;
  /** Whether the build is still to run, as Buildkite says; without it the webhook's time decides. */
  isWanted?: (uuid: string) => Promise<boolean>;
  /** A job was decided. */
  onDecided?: (held: HeldJob, outcome: Outcome) => void;
  /** A Job of ours was made that the watch may not have seen yet. */
  onCreated: (name: string, queue: string) => void;
  /** This replica made the Job of that uid, as far as it knows. */
  onMade?: (held: HeldJob, uid: string) => void;
}

/**
 * Makes one Job per scheduled job. What comes in is held until it is decided, at most `bufferSize` jobs; of those,
 * `createConcurrency` talk to the API server at one time, the others wait their turn or for something to happen.
 *
 * Webhooks and the reconcile loop hand their jobs in through {@link submit}.
 */
export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #gate: Gate;
  readonly #held = new Map<string, HeldJob>();
  readonly #abort = new AbortController();
  #hurried = false;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#gate = new Gate(options.limits.createConcurrency);
    // One for each create under way.
    setMaxListeners(0, this.#abort.signal);
  }

  /** How many may be held when the reconcile loop hands in another: the other half of the buffer is for webhooks. */
  get loopShare(): number {
    return Math.ceil(this.#options.limits.bufferSize / 2);
  }

  /** Whether the next new job would find no place. */
  get full(): boolean {
    return this.#held.size >= this.#options.limits.bufferSize;
  }

  holds(uuid: string): boolean {
    return this.#held.has(uuid);
  }

  /** The jobs held, oldest first. */
  held(): Iterable<HeldJob> {
    return this.#held.values();
  }

  get heldCount(): number {
    return this.#held.size;
  }

  /**
   * Takes a job.
   *
   * @returns its outcome when it is decided (never rejected), the same for everybody who hands in the same job
   * meanwhile; `undefined` when the buffer is full.
   */
  submit(work: Work): Promise<Outcome> | undefined {
    const present = this.#held.get(work.job.uuid);
    if (present !== undefined) {
      present.join(work);
      return present.result;
    }
    if (this.full) {
      return undefined;
    }
    const held = new HeldJob(work);
    this.#held.set(work.job.uuid, held);
    held.result = this.#settle(held);
    return held.result;
  }

  /**
   * Brings what is held to an end: nobody waits for long from now on.
   *
   * @param milliseconds at the most; what is not decided by then is lost, and logged as such.
   */
  async finish(milliseconds: number): Promise<void> {
    this.#hurried = true;
    this.#options.room.hurry();
    const all = Promise.all(Array.from(this.#held.values(), (held) => held.result));
    const timer = setTimeout(() => {
      this.#abort.abort();
      this.#options.room.wakeAll();
    }, milliseconds);
    await all;
    clearTimeout(timer);
  }

  async #settle(held: HeldJob): Promise<Outcome> {
    const { uuid } = held.work.job;
    let outcome: Outcome;
    try {
      outcome = await this.#pursue(held);
    } catch (error) {
      outcome = this.#abort.signal.aborted ? "lost" : "failed";
      held.refusal = outcome === "failed" ? messageOf(error) : held.refusal;
    }
    this.#held.delete(uuid);
    this.#record(held, outcome);
    this.#options.onDecided?.(held, outcome);
    return outcome;
  }

  async #pursue(held: HeldJob): Promise<Outcome> {
    const { room, api, templates, log, metrics, patience, hasPods, slots, isWanted } = this.#options;
    const { signal } = this.#abort;
    const hurried = (): boolean => this.#hurried;
    const asksBuildkite = isWanted !== undefined;
    const pursuit = new Pursuit({ api, templates, hasPods, slots, patience, signal, hurried, asksBuildkite });
    const name = jobName(held.work.job.uuid);
    for (;;) {
      const step: Step = await this.#gate.run(() => pursuit.step(held));
      if (typeof step === "string") {
        return step;
      }
      signal.throwIfAborted();
      if ("askAbout" in step) {
        // Outside the gate: Buildkite's slowness must not keep others from their Jobs.
        const wanted = await unlessAborted(isWanted?.(held.work.job.uuid), signal).catch(() => undefined);
        signal.throwIfAborted();
        if (wanted === undefined) {
          return "deferred";
        }
        held.said = { uid: step.askAbout, wanted };
        continue;
      }
      if (!held.waited.has(step.cause)) {
        held.waited.add(step.cause);
        const { uuid, queue } = held.work.job;
        log.warn("waiting", { cause: step.cause, uuid, queue, job: name, why: step.why });
      }
      metrics.waits.inc({ cause: step.cause });
      held.waitsFor = step;
      await room.wait(step.cause, name, step.milliseconds);
      held.said = undefined;
    }
  }

  #record(held: HeldJob, outcome: Outcome): void {
    const { metrics, log, onCreated, onMade } = this.#options;
    const { job, route, arrivedAt, source } = held.work;
    const name = jobName(job.uuid);
    const seconds = (performance.now() - arrivedAt) / 1000;
    metrics.decisions.inc({ queue: route.key, outcome });
    if (outcome === "deferred") {
      metrics.deferred.inc({ queue: route.key, cause: held.deferredBy });
    }
    if (outcome === "created" || outcome === "replaced") {
      onCreated(name, route.key);
      if (source === "webhook") {
        metrics.webhookToJob.observe({ queue: route.key }, seconds);
      }
      if (held.runnableAt !== undefined) {
        const age = (Date.now() - held.runnableAt) / 1000;
        metrics.runnableToJob.observe({ queue: route.key }, Math.max(age, 0));
      }
    }
    if (held.jobUid !== undefined) {
      onMade?.(held, held.jobUid);
    }
    const fields = {
      ...{ decision: outcome, source, uuid: job.uuid, queue: route.key, pipeline: job.pipeline, job: name },
      ...{ attempt: held.attempt, milliseconds: Math.round(seconds * 1e4) / 10 },
      waited: held.waited.size === 0 ? undefined : [...held.waited],
    };
    switch (outcome) {
      case "created":
      case "replaced":
      case "exists":
      case "late_repeat":
      case "deferred":
        log.info("job", fields);
        break;
      case "foreign":
        log.error("job", { ...fields, why: `${name} exists and is not ours: it was left alone, the build has no pod` });
        break;
      case "exhausted":
        log.error("job", { ...fields, why: "its last attempt ended without running it: see that Job's pod" });
        break;
      case "lost":
        log.error("job", { ...fields, why: "the process had to end before there was a Job" });
        break;
      case "refused":
      case "abandoned":
      case "failed":
        log.error("job", { ...fields, why: held.refusal });
    }
  }
}

/** The promise's result; rejects at once when the signal comes first, whatever the promise waits for. */
async function unlessAborted<T>(promise: Promise<T> | undefined, signal: AbortSignal): Promise<T | undefined> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(new DOMException("called off", "AbortError"));
    };
    signal.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
