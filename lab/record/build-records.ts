import type { FakeJob } from "../buildkite";
import type { BuildRecord } from "../report";
import type { BuildTimes } from "./cluster-record";

/** One record for each job that was scheduled within the stretch: Buildkite's side and the cluster's put together. */
export function buildRecords(
  jobs: readonly FakeJob[],
  seen: (uuid: string) => Readonly<BuildTimes>,
  until: number,
): BuildRecord[] {
  return jobs
    .filter(({ scheduledAt }) => scheduledAt <= until)
    .map((job) => ({
      number: job.buildNumber,
      queue: job.queue,
      scheduledAt: job.scheduledAt,
      webhookAt: job.webhooks[0]?.sentAt,
      ...seen(job.id),
      agentAt: job.acquiredAt,
      startedAt: job.startedAt,
      finishedAt: job.finishedAt,
      exitStatus: job.result?.exitStatus,
    }));
}
