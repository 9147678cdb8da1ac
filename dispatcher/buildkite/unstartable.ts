import type { AgentsNamespace } from "../agents-namespace";
import type { Log } from "../log";
import type { Metrics } from "../metrics";
import { GONE_WITHIN_MS, removeJob } from "./removal";
import type { Report } from "./report";
import type { SetAside } from "./set-aside";

/** What {@link giveUpUnstartable} needs. */
export interface UnstartableParts {
  api: Pick<AgentsNamespace, "deleteJob" | "podsOf">;
  report: Pick<Report, "giveUp">;
  /** So that the loop does not dispatch the job again before Buildkite has been told. */
  aside: SetAside;
  metrics: Pick<Metrics, "startFailures" | "givenUp">;
  log: Log;
  /** The Job of that uid is about to be deleted. */
  onEnding: (jobUid: string, why: string) => void;
}

/** A Job whose pod cannot start, or is not to be had. */
export interface Unstartable {
  /** Of the Job. */
  readonly name: string;
  readonly uid: string;
  /** Of the Buildkite job. */
  readonly uuid: string;
  /** Key. */
  readonly queue: string;
  /** Kubernetes' word. */
  readonly cause: string;
  /** A person's. */
  readonly why: string;
  readonly pod?: string;
}

/** After its Job is gone Buildkite may take so long to be told and to say so in its lists. */
const TELLING_MS = 60_000;

/**
 * Deletes the Job, and once its pod is gone finishes the job at Buildkite with the cause: no agent may have it by then.
 * Nothing is said where somebody else has deleted the Job.
 *
 * @throws what kept it from that, so that it is tried again.
 */
export async function giveUpUnstartable(
  { api, report, aside, metrics, log, onEnding }: UnstartableParts,
  { name, uid, uuid, queue, cause, why, pod }: Unstartable,
  signal: AbortSignal,
): Promise<void> {
  aside.add(uuid, GONE_WITHIN_MS + TELLING_MS);
  onEnding(uid, why);
  if (!(await removeJob(api, name, uid, signal))) {
    return;
  }
  const reported = await report.giveUp(uuid, why);
  metrics.startFailures.inc({ cause });
  metrics.givenUp.inc({ queue, cause: "start_failure", reported });
  log.error("pod could not start", { uuid, job: name, pod, cause, why, reported });
}
