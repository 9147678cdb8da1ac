import type { FakeJob } from "../buildkite";
import type { Progress } from "../progress";
import type { BuildTimes, ClusterRecord } from "../record";
import type { LabSystem } from "../system";
import type { LiveJobs, LiveSystem } from "./state";

/** What goes on now, from what the lab follows anyway. */
export function liveSystem(system: LabSystem, cluster: ClusterRecord, progress: Progress): LiveSystem {
  const nodes = cluster.nodesNow();
  const known = new Set(nodes.map(({ name }) => name));
  const { samples } = progress.recorder;
  return {
    nodes,
    booting: system.autoscaler.nodes().filter((name) => !known.has(name)).length,
    maxNodes: progress.now().maxNodes,
    jobs: liveJobs(system.buildkite.jobs(), (uuid) => cluster.build(uuid)),
    now: progress.recorder.running ? Date.now() : (samples.at(-1)?.at ?? Date.now()),
    samples,
  };
}

/** Builds by where they are. */
export function liveJobs(
  jobs: readonly Pick<FakeJob, "id" | "state">[],
  seen: (uuid: string) => Readonly<BuildTimes>,
): LiveJobs {
  const counts = { waiting: 0, starting: 0, running: 0, finished: 0 };
  for (const { id, state } of jobs) {
    if (state === "running" || state === "canceling") {
      counts.running += 1;
    } else if (state === "finished" || state === "canceled") {
      counts.finished += 1;
    } else if (seen(id).boundAt !== undefined) {
      counts.starting += 1;
    } else {
      counts.waiting += 1;
    }
  }
  return counts;
}
