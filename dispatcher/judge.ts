import { ATTEMPT_ANNOTATION, JOB_UUID, MANAGED_BY_LABEL, PROJECT } from "../components/contract";
import type { Job } from "./kubernetes/objects";
import { MOST_ATTEMPTS } from "./patience";

/** What to do about a Job that already has the name of the one we want. */
export type Judgement =
  /** Somebody else's: touch nothing. */
  | { kind: "foreign" }
  /** The build has its pod, or will get it. */
  | { kind: "live" }
  /** Not finished, but its result is decided: it can only be judged once it is. */
  | { kind: "ending" }
  /** On its way out: wait until the name is free, then create. */
  | { kind: "terminating"; attempt: number; notBefore: number }
  /** Finished, and nothing says that the build is to run again. */
  | { kind: "late-repeat" }
  /** Finished, and to run again: from `notBefore` on, delete that very Job and create the next. */
  | { kind: "replace"; uid: string; attempt: number; notBefore: number }
  /** Finished, to run again, but this was the last attempt. */
  | { kind: "exhausted"; attempts: number; endedAt: number };

/**
 * Judges a Job as it was just read.
 *
 * @param job the Job, read live.
 * @param uuid of the Buildkite job.
 * @param firstRetryWaitMs from a Job's end to its successor; doubles with each further attempt.
 * @param isWanted whether the build is still to run, given when its Job ended (milliseconds since 1970).
 */
export function judge(
  job: Job,
  uuid: string,
  firstRetryWaitMs: number,
  isWanted: (endedAt: number) => boolean,
): Judgement {
  const { labels = {}, annotations = {}, deletionTimestamp, uid } = job.metadata;
  if (labels[MANAGED_BY_LABEL] !== PROJECT || labels[JOB_UUID] !== uuid) {
    return { kind: "foreign" };
  }
  const attempt = attemptOf(annotations[ATTEMPT_ANNOTATION]);
  const endedAt = endOf(job);
  if (endedAt === undefined) {
    if (deletionTimestamp !== undefined) {
      // It did not come to an end of its own, so the next is no further attempt.
      return { kind: "terminating", attempt, notBefore: 0 };
    }
    const decidedAt = timeOf(job, ["SuccessCriteriaMet", "FailureTarget"]);
    return { kind: decidedAt !== undefined && isWanted(decidedAt) ? "ending" : "live" };
  }
  if (!isWanted(endedAt)) {
    return { kind: "late-repeat" };
  }
  if (attempt >= MOST_ATTEMPTS && !neverBegan(job)) {
    return { kind: "exhausted", attempts: attempt, endedAt };
  }
  const next = neverBegan(job)
    ? { attempt, notBefore: 0 }
    : { attempt: attempt + 1, notBefore: endedAt + firstRetryWaitMs * 2 ** (attempt - 1) };
  return deletionTimestamp === undefined ? { kind: "replace", uid, ...next } : { kind: "terminating", ...next };
}

/** Whether the Job has come to its end, its pods with it. */
export function isFinished(job: Job): boolean {
  return timeOf(job, ["Complete", "Failed"]) !== undefined;
}

/** Whether the Job's result is known, even if its pods have not ended yet. */
export function isDecided(job: Job): boolean {
  return isFinished(job) || timeOf(job, ["SuccessCriteriaMet", "FailureTarget"]) !== undefined;
}

/**
 * Whether the Job ended by its own deadline. That is longer than its pod may run, so the pod waited for a node: no
 * attempt, and no reason to give the build up.
 */
function neverBegan(job: Job): boolean {
  return failureReasonOf(job) === "DeadlineExceeded";
}

/** Kubernetes' word for why the Job failed; `undefined` where it has not. */
export function failureReasonOf(job: Job): string | undefined {
  const failed = (job.status?.conditions ?? []).find(({ type, status }) => type === "Failed" && status === "True");
  return failed && (failed.reason ?? "Failed");
}

/** When the Job came to its end, in milliseconds since 1970. */
export function endOf(job: Job): number | undefined {
  const condition = timeOf(job, ["Complete", "Failed"]);
  const completion = Date.parse(job.status?.completionTime ?? "");
  return condition === undefined || Number.isNaN(completion) ? condition : completion;
}

/** When the first of these conditions became true; 0 where the Job does not say. */
function timeOf(job: Job, types: readonly string[]): number | undefined {
  const condition = (job.status?.conditions ?? []).find(
    ({ type, status }) => types.includes(type) && status === "True",
  );
  if (condition === undefined) {
    return undefined;
  }
  const time = Date.parse(condition.lastTransitionTime ?? "");
  return Number.isNaN(time) ? 0 : time;
}

/** Reads the annotation. */
export function attemptOf(text: string | undefined): number {
  return text !== undefined && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 1;
}
