import { jobName } from "../../components/contract";
import type { HeldJob } from "../held-job";
import type { Log } from "../log";
import type { Metrics } from "../metrics";
import type { Outcome } from "../work";
import type { Report } from "./report";

/** Different jobs in a row that used up their attempts: then the next would, too. */
export const MOST_EXHAUSTED = 5;

export interface AttemptsOptions {
  report: Pick<Report, "giveUp">;
  /** Of the agents, for the command in the words. */
  namespace: string;
  metrics: Pick<Metrics, "givenUp">;
  log: Log;
}

/**
 * Tells Buildkite of jobs for which another pod would not help, and stops a queue whose jobs all end like that: a wrong
 * agent token must not start nodes for ever.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  /** By queue key: UUIDs of jobs in a row that used up their attempts, no more than stop the queue. */
  readonly #exhausted = new Map<string, Set<string>>();
  readonly #startedAt = Date.now();

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Whether the queue gets no more Jobs from here. */
  isStopped(queueKey: string): boolean {
    return (this.#exhausted.get(queueKey)?.size ?? 0) >= MOST_EXHAUSTED;
  }

  /** An agent has taken a job of the queue. */
  succeeded(queueKey: string): void {
    if (this.isStopped(queueKey)) {
      this.#options.log.info("queue goes on", { queue: queueKey, why: "an agent has taken one of its jobs" });
    }
    this.#exhausted.delete(queueKey);
  }

  /** A job was decided. */
  decided({ work, refusal, refusedForGood, attempt, endedAt }: HeldJob, outcome: Outcome): void {
    const { uuid, queue } = work.job;
    if (work.route.agentMode === "queue") {
      return;
    }
    if (outcome === "refused" && refusedForGood) {
      this.#giveUp("refused", uuid, queue, `Kubernetes refuses the build's pod: ${refusal ?? "without a reason"}`);
    } else if (outcome === "exhausted") {
      const look = `kubectl -n ${this.#options.namespace} describe job ${jobName(uuid)}`;
      this.#giveUp(
        "exhausted",
        uuid,
        queue,
        `${attempt} pods in a row ended before an agent took this job. Most often the agent token is wrong, or of another cluster. See: ${look}`,
      );
      // What ended before a restart says nothing about now: the restart is how a person says that the cause is mended.
      if ((endedAt ?? Infinity) >= this.#startedAt) {
        this.#count(queue, uuid);
      }
    }
  }

  #giveUp(outcome: "refused" | "exhausted", uuid: string, queue: string, cause: string): void {
    void this.#options.report.giveUp(uuid, cause).then((reported) => {
      this.#options.metrics.givenUp.inc({ queue, cause: outcome, reported });
      this.#options.log.info("job given up", { uuid, queue, cause, reported });
    });
  }

  /** A job that Buildkite was not told of is found and decided again: that says nothing new about its queue. */
  #count(queueKey: string, uuid: string): void {
    if (this.isStopped(queueKey)) {
      return;
    }
    const exhausted = (this.#exhausted.get(queueKey) ?? new Set()).add(uuid);
    this.#exhausted.set(queueKey, exhausted);
    if (this.isStopped(queueKey)) {
      this.#options.log.error("queue stopped", {
        queue: queueKey,
        why: `no agent took any of its last ${exhausted.size} jobs, each tried with several pods`,
        fix: "see why the agents of these pods ended; then restart the dispatcher: kubectl rollout restart deployment",
      });
    }
  }
}
