import { jobName } from "../../components/contract";
import type { AgentsNamespace } from "../agents-namespace";
import type { Dispatch } from "../dispatch";
import type { Log } from "../log";
import type { PodsWatch, SeenPod } from "../pods-watch";
import type { QueueRoute } from "../settings";
import { acquiringQueues } from "./acquiring-queues";
import { lookAgain } from "./look";
import { Noted } from "./noted";
import type { Report } from "./report";
import { waitCauseOf, waitingNote, type WaitCause } from "./wait-cause";

export interface LongWaitsOptions {
  api: Pick<AgentsNamespace, "eventsOf">;
  pods: Pick<PodsWatch, "waiting">;
  dispatch: Pick<Dispatch, "held">;
  report: Pick<Report, "note">;
  queues: readonly QueueRoute[];
  /** Whether this replica tells of that Job; so that not each of them does. */
  isOurs: (jobUid: string) => boolean;
  log: Log;
  /** Between two looks; a fifth more or less each time. */
  intervalMs: number;
  /** What waits for less is left alone; also between two looks at the same pod. */
  afterMs: number;
}

/** Pods whose events are read in one look; the others have their turn in the next. */
const MOST_READS = 10;

/**
 * Writes a note beside a job that has waited for long for its pod's start: why, as the autoscaler, the scheduler, the node
 * or the quota says it. One for each job and cause; and never more than a note: a full pool fails no build.
 *
 * Events are read of the few pods that have waited for long, not watched: a pool that grows makes thousands.
 */
export class LongWaits {
  readonly #options: LongWaitsOptions;
  readonly #queues: ReadonlyMap<string, string>;
  readonly #noted = new Noted();
  /** By the pod's uid: when its events were last read, by `performance.now()`. */
  #readAt = new Map<string, number>();

  constructor(options: LongWaitsOptions) {
    this.#options = options;
    this.#queues = acquiringQueues(options.queues);
  }

  /** Looks again and again until the signal. */
  run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    return lookAgain({ what: "long waits", intervalMs, log }, (until) => this.#look(until), signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    await this.#lookAtHeld();
    await this.#lookAtPods(signal);
  }

  async #lookAtHeld(): Promise<void> {
    const { dispatch, afterMs } = this.#options;
    const waiting = [...dispatch.held()].filter(
      ({ waitsFor, since, work }) =>
        waitsFor?.cause === "quota" && performance.now() - since >= afterMs && work.route.agentMode === "acquire",
    );
    for (const { work, since, waitsFor } of waiting) {
      const said = waitsFor?.why ?? "";
      await this.#note(work.job.uuid, { cause: "quota", said }, (performance.now() - since) / 1000);
    }
  }

  async #lookAtPods(signal: AbortSignal): Promise<void> {
    const { api, pods, isOurs, afterMs } = this.#options;
    const readAt = new Map<string, number>();
    let reads = 0;
    for (const pod of pods.waiting()) {
      const seconds = (Date.now() - (pod.boundAt ?? pod.createdAt ?? Date.now())) / 1000;
      if (seconds * 1000 < afterMs || !this.#queues.has(pod.queue) || !isOurs(pod.jobUid ?? "")) {
        continue;
      }
      const before = this.#readAt.get(pod.uid);
      const isDue = before === undefined || performance.now() - before >= afterMs;
      if (!isDue || reads >= MOST_READS) {
        readAt.set(pod.uid, before ?? -Infinity);
        continue;
      }
      reads++;
      readAt.set(pod.uid, performance.now());
      await this.#lookAtPod(pod, seconds, await api.eventsOf(pod.uid, signal));
    }
    this.#readAt = readAt;
  }

  async #lookAtPod(pod: SeenPod, seconds: number, events: Awaited<ReturnType<AgentsNamespace["eventsOf"]>>) {
    const cause = waitCauseOf(events, pod.node !== undefined);
    if (cause !== undefined) {
      await this.#note(pod.jobUuid, cause, seconds);
    }
  }

  async #note(uuid: string, cause: WaitCause, seconds: number): Promise<void> {
    const key = `${uuid} ${cause.cause}`;
    if (this.#noted.has(key)) {
      return;
    }
    const note = waitingNote(cause, seconds);
    const reported = await this.#options.report.note(uuid, note);
    if (reported !== "unsaid") {
      this.#noted.add(key);
      const fields = { uuid, job: jobName(uuid), cause: cause.cause, why: note, reported };
      this.#options.log.info("long wait", fields);
    }
  }
}
