import { jobUuidOf } from "../../components/contract";
import type { AgentsNamespace } from "../agents-namespace";
import { isFinished } from "../judge";
import type { JobsWatch, SeenJob } from "../jobs-watch";
import { messageOf, type Log } from "../log";
import type { Metrics } from "../metrics";
import type { QueueRoute } from "../settings";
import { acquiringQueues } from "./acquiring-queues";
import type { AgentLost } from "./agent-lost";
import { hasAgentStarted } from "./agent-started";
import { standingOf } from "./job-state";
import { lookAgain } from "./look";
import type { StacksClient } from "./stacks-client";

export interface CanceledOptions {
  client: Pick<StacksClient, "getStates">;
  api: Pick<AgentsNamespace, "readJob" | "podsOf" | "deleteJob">;
  jobs: Pick<JobsWatch, "live">;
  queues: readonly QueueRoute[];
  metrics: Pick<Metrics, "canceled">;
  log: Log;
  /** Asked about in the same call. */
  agentLost: Pick<AgentLost, "suspects" | "taken" | "keep" | "judge">;
  /** The Job of that uid is about to be deleted. */
  onEnding: (jobUid: string, why: string) => void;
  /** An agent has taken a job of that queue; called once for each. */
  onTaken: (queueKey: string) => void;
  /** Between two looks; a fifth more or less each time. */
  intervalMs: number;
  /** How long a pod may stay after its grace period, when its agent has the cancellation in hand. */
  leftoverMs: number;
}

/** States that say that an agent has had the job. */
const HAS_RUN: ReadonlySet<string> = new Set(["finished", "passed", "failed", "timed_out", "timing_out"]);

/** Where a pod has no grace period of its own; Kubernetes' default. */
const STANDARD_GRACE_SECONDS = 30;

/**
 * Removes Jobs whose build is over at Buildkite: at once where no agent has started, so that no node comes for nothing;
 * where one has, only what is left of the pod long after the agent had to be done.
 *
 * Not for queues of agent mode `queue`: there a pod is capacity, and may be running another job than its own.
 */
export class Canceled {
  readonly #options: CanceledOptions;
  /** Keys by label. */
  readonly #queues: ReadonlyMap<string, string>;
  /** By the Job's uid: since when we know that its build is over, by `performance.now()`. */
  #overSince = new Map<string, number>();

  constructor(options: CanceledOptions) {
    this.#options = options;
    this.#queues = acquiringQueues(options.queues);
  }

  /** Looks again and again until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, log } = this.#options;
    await lookAgain({ what: "canceled jobs", intervalMs, log }, () => this.#look(signal), signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { client, jobs, log, onTaken, agentLost } = this.#options;
    const live = jobs.live().filter(({ queue }) => this.#queues.has(queue));
    const ended = agentLost.suspects();
    agentLost.keep(live);
    const asked = [...live, ...ended].map(({ name }) => jobUuidOf(name));
    const states = asked.length === 0 ? undefined : await client.getStates(asked, signal);
    const overSince = new Map<string, number>();
    for (const job of live) {
      const state = states?.get(jobUuidOf(job.name));
      const standing = standingOf(state);
      // Once for each Job: a build that runs for hours says nothing about those that come after it.
      if (standing === "with-agent" && agentLost.taken(job.uid)) {
        onTaken(this.#queues.get(job.queue) ?? "");
      }
      if (state === undefined || (standing !== "over" && standing !== "ending")) {
        continue;
      }
      overSince.set(job.uid, this.#overSince.get(job.uid) ?? performance.now());
      const overMs = performance.now() - (overSince.get(job.uid) ?? 0);
      try {
        await this.#end(job, state, overMs, signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn("Job of an ended build not deleted, will be tried again", { job: job.name, error: messageOf(error) });
      }
    }
    this.#overSince = overSince;
    // After those whose node may go the sooner.
    for (const job of ended) {
      await agentLost.judge(job, states?.get(jobUuidOf(job.name)), signal);
    }
  }

  async #end({ name, uid }: SeenJob, state: string, overMs: number, signal: AbortSignal): Promise<void> {
    const { api, metrics, log, leftoverMs, onEnding } = this.#options;
    const hasRun = HAS_RUN.has(state);
    if (hasRun && overMs < leftoverMs) {
      // Nearly every build comes by here, between its end at Buildkite and its Job's: there is nothing to read yet.
      return;
    }
    const live = await api.readJob(name, signal);
    if (live?.metadata.uid !== uid || live.metadata.deletionTimestamp !== undefined || isFinished(live)) {
      return;
    }
    const pods = await api.podsOf(name, signal);
    const started = pods.filter(hasAgentStarted);
    const graceSeconds = started.map(({ spec }) => spec?.terminationGracePeriodSeconds ?? STANDARD_GRACE_SECONDS);
    // A build that has run may have run here, whatever the pod's status says so far.
    const atOnce = started.length === 0 && !hasRun;
    if (!atOnce && overMs < Math.max(0, ...graceSeconds) * 1000 + leftoverMs) {
      return;
    }
    const when = atOnce ? "before_start" : "left_over";
    onEnding(uid, `canceled_${when}`);
    if (await api.deleteJob(name, uid, signal)) {
      metrics.canceled.inc({ when });
      log.info("Job deleted", {
        ...{ job: name, uuid: jobUuidOf(name), state, when },
        why:
          when === "left_over"
            ? "its build ended at Buildkite long ago, and its pod is still there"
            : "its build ended at Buildkite before an agent started",
      });
    }
  }
}
