import type { FakeJob } from "./buildkite";
import { buildRecords, type ClusterRecord } from "./record";
import { type BuildRecord, costOf, type CostFigures, type PricedPool, type RunRecorder, type Stretch } from "./report";

/** What records the run, each from its own side. */
export interface Recording {
  readonly recorder: RunRecorder;
  readonly cluster: ClusterRecord;
  readonly jobs: () => readonly FakeJob[];
}

/** From the first sample to the last: from the first push to the empty pool. */
export function sampledStretch({ samples }: RunRecorder): Stretch {
  const from = samples[0]?.at ?? 0;
  return { from, to: samples.at(-1)?.at ?? from };
}

/** The builds that were scheduled while samples were taken: not the one for the destroy. */
export function recordedBuilds({ recorder, cluster, jobs }: Recording): BuildRecord[] {
  return buildRecords(jobs(), (uuid) => cluster.build(uuid), sampledStretch(recorder).to);
}

/** What the nodes of the sampled stretch cost, by the assumptions of the report. */
export function costOfRun(recording: Recording, pool: PricedPool, timeScale: number): CostFigures {
  const { recorder, cluster } = recording;
  const stretch = sampledStretch(recorder);
  return costOf({
    ...{ pool: { machineType: pool.machineType, spot: pool.spot }, timeScale, stretch },
    maxNodes: Math.max(0, ...recorder.maxima.map(({ maxNodes }) => maxNodes)),
    nodes: cluster.nodeRecords().filter(({ registeredAt }) => registeredAt <= stretch.to),
    builds: recordedBuilds(recording),
  });
}
