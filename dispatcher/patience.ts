/** Jobs that one Buildkite job may get, one after the other: then something is wrong that another pod does not heal. */
export const MOST_ATTEMPTS = 3;

/** How long the dispatcher waits for what; milliseconds. Only tests have a reason to change it. */
export interface Patience {
  /** From a Job's end to its successor's creation; doubles with each further attempt. */
  firstRetryWaitMs: number;
  /** How long a refusal is taken for a change under way. */
  refusalLimitMs: number;
  /** How long the API server may be away, or a name be taken by a Job on its way out. */
  waitLimitMs: number;
  /** How long a webhook waits for its Job before it is answered 202. */
  answerWithinMs: number;
  /** The longest wait before Buildkite is asked again while it is away or refuses the token. */
  buildkiteLongestWaitMs: number;
  /** Between two looks for canceled builds. */
  canceledIntervalMs: number;
  /** After a Job's end its agent's own word may still be on its way for so long. */
  agentLostMs: number;
  /** Between two looks for Jobs without a pod. */
  podlessIntervalMs: number;
  /** Between two looks for jobs that wait for long. */
  longWaitsIntervalMs: number;
  /** How long a job waits for its pod's start before a note says why. */
  longWaitMs: number;
  /** Between two looks for pods that cannot start. */
  startFailuresIntervalMs: number;
  /** How long a pod may seem unable to start. */
  startGraceMs: number;
  /** How long the pod of an ended build may stay after its grace period. */
  leftoverMs: number;
  /** Between two looks for orphaned pods. */
  orphansIntervalMs: number;
  /** How long nothing may be heard of the API server before that is a trouble; its watches speak about once a minute. */
  silentMs: number;
  /** How long a watch may fail, and a job wait although slots are free, before that is a trouble. */
  troubleAfterMs: number;
  /** Between two looks for troubles. */
  troublesIntervalMs: number;
  /** Serving on after the call to stop: for requests that were sent before the news had spread. */
  drainMs: number;
  /** After that, for what was acknowledged. */
  finishMs: number;
}

export const PATIENCE: Readonly<Patience> = {
  firstRetryWaitMs: 10_000,
  refusalLimitMs: 60_000,
  waitLimitMs: 3_600_000,
  answerWithinMs: 2000,
  buildkiteLongestWaitMs: 30_000,
  canceledIntervalMs: 5000,
  agentLostMs: 30_000,
  podlessIntervalMs: 15_000,
  longWaitsIntervalMs: 15_000,
  longWaitMs: 300_000,
  startFailuresIntervalMs: 10_000,
  startGraceMs: 30_000,
  leftoverMs: 30_000,
  orphansIntervalMs: 5000,
  silentMs: 90_000,
  troubleAfterMs: 30_000,
  troublesIntervalMs: 5000,
  drainMs: 1000,
  finishMs: 20_000,
};
