import { JOB_UUID, jobName, QUEUE_LABEL } from "../../components/contract";
import type { AgentsNamespace } from "../agents-namespace";
import { Gate } from "../gate";
import { isAborted } from "../is-aborted";
import { isFinished } from "../judge";
import type { Pod } from "../kubernetes/objects";
import { messageOf } from "../log";
import type { QueueRoute } from "../settings";
import { acquiringQueues } from "./acquiring-queues";
import { lookAgain } from "./look";
import { isBetweenCrashes, startFailureOf, withEvents, type StartFailure } from "./start-failure";
import { giveUpUnstartable, type UnstartableParts } from "./unstartable";

export interface StartFailuresOptions extends UnstartableParts {
  api: Pick<AgentsNamespace, "startingPods" | "podsOf" | "readJob" | "deleteJob" | "eventsOf">;
  queues: readonly QueueRoute[];
  /** Between two looks; a fifth more or less each time. */
  intervalMs: number;
  /** A cause that may heal is given so long. */
  graceMs: number;
}

/** For so long after it was last seen not to start, a job is not dispatched again by the loop. */
const SEEN_MS = 60_000;
/** Pods given up at one time. */
const WIDTH = 8;

/**
 * Gives up pods that cannot start and tells Buildkite why: without that the build would wait for its deadline, and then
 * for nothing. First the pod is deleted, and only once it is gone is the job finished: no agent may have it by then.
 */
export class StartFailures {
  readonly #options: StartFailuresOptions;
  /** Keys by label. */
  readonly #queues: ReadonlyMap<string, string>;
  readonly #gate = new Gate(WIDTH);
  readonly #inHand = new Set<string>();
  /** By the pod's uid: since when it is seen not to start, by `performance.now()`; crashes of one container are one time. */
  #since = new Map<string, number>();

  constructor(options: StartFailuresOptions) {
    this.#options = options;
    this.#queues = acquiringQueues(options.queues);
  }

  /** Looks again and again until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    await lookAgain({ what: "pods that cannot start", intervalMs, log }, () => this.#look(signal), signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { api, aside, graceMs, log } = this.#options;
    const since = new Map<string, number>();
    const now = performance.now();
    for await (const pod of api.startingPods(signal)) {
      const { uid, labels = {}, deletionTimestamp } = pod.metadata;
      const failure = startFailureOf(pod);
      const before = this.#since.get(uid);
      if (failure === undefined && before !== undefined && isBetweenCrashes(pod)) {
        // Its time runs on, but only the next crash shows that it has not come up.
        since.set(uid, before);
      }
      if (failure === undefined || !this.#queues.has(labels[QUEUE_LABEL] ?? "")) {
        continue;
      }
      // Also for the other replica's sake: between its deleting the Job and its telling Buildkite there is a gap.
      aside.add(labels[JOB_UUID] ?? "", SEEN_MS);
      if (deletionTimestamp !== undefined) {
        continue;
      }
      const first = before ?? now;
      since.set(uid, first);
      if ((failure.final || now - first >= graceMs) && !this.#inHand.has(uid)) {
        this.#inHand.add(uid);
        void this.#gate
          .run(() => this.#giveUp(pod, signal))
          .catch((error: unknown) => {
            if (!isAborted(signal)) {
              log.warn("pod not given up, will be tried again", { pod: pod.metadata.name, error: messageOf(error) });
            }
          })
          .finally(() => this.#inHand.delete(uid));
      }
    }
    this.#since = since;
  }

  async #giveUp({ metadata: suspect }: Pod, signal: AbortSignal): Promise<void> {
    const { api } = this.#options;
    const uuid = suspect.labels?.[JOB_UUID] ?? "";
    const name = jobName(uuid);
    const isIt = ({ metadata }: Pod): boolean => metadata.uid === suspect.uid;
    const live = (await api.podsOf(name, signal)).find(isIt);
    const failure: StartFailure | undefined = live && startFailureOf(live);
    const job = await api.readJob(name, signal);
    const owner = (live?.metadata.ownerReferences ?? []).find(({ controller }) => controller === true);
    if (failure === undefined || job === undefined || job.metadata.uid !== owner?.uid || isFinished(job)) {
      return;
    }
    const queue = this.#queues.get(suspect.labels?.[QUEUE_LABEL] ?? "") ?? "";
    const why = await this.#words(failure, suspect.uid, signal);
    const { uid } = job.metadata;
    const pod = suspect.name;
    await giveUpUnstartable(this.#options, { name, uid, uuid, queue, cause: failure.reason, why, pod }, signal);
  }

  /** The kubelet's events say why, where the container's status only says that it waits. */
  async #words(failure: StartFailure, podUid: string, signal: AbortSignal): Promise<string> {
    try {
      return withEvents(failure, await this.#options.api.eventsOf(podUid, signal));
    } catch {
      signal.throwIfAborted();
      return failure.words;
    }
  }
}
