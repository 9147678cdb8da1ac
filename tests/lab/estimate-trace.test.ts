import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { PoolAutoscaler, PROFILES, scaled, type AutoscalingProfile, type DeclaredPool } from "../../lab/autoscaler";
import { readPool } from "../../lab/autoscaler/pool";
import { resourcesFrom } from "../../lab/autoscaler/quantity";
import { simulate } from "../../lab/estimate/simulation";
import { MemoryCluster } from "../support/memory-cluster";
import { until } from "../support/until";

/** Two builds fit on an e2-standard-4 (3.67 cores). */
const REQUESTS = { cpu: "1500m", memory: "4Gi" };

const POOL: DeclaredPool = {
  id: "p",
  name: "builds",
  cluster: "projects/p/locations/us-central1-a/clusters/ci",
  location: "us-central1-a",
  inputs: {
    initialNodeCount: 0,
    autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 3 },
    nodeConfig: { machineType: "e2-standard-4" },
  },
};

/** Moment and length of each build, seconds: bursts beyond the maximum, single ones, idle times long and short. */
const TRACE: readonly (readonly [at: number, seconds: number])[] = [
  ...([0, 0, 0, 0.05, 0.1, 0.1, 0.3] as const).map((at, index) => [at, 0.8 + index * 0.25] as const),
  ...([3.6, 4.5, 5.2] as const).map((at) => [at, 0.7] as const),
  // The pool has been empty for a while in between.
  [12, 3],
  [12.9, 0.4],
  [13.6, 0.6],
  [15.8, 1.1],
  [15.9, 0.9],
  [16, 0.5],
];

/** How far the two may be apart, on a machine that does other things, too. */
const TOLERANCE = { coldStarts: 1, nodeTimeApart: 0.1, paid: 0.1 };

/** A count over time, as steps. */
type Steps = readonly (readonly [at: number, count: number])[];

/** Calls `each` with both counts for every stretch in which neither changes. */
function together(a: Steps, b: Steps, each: (ms: number, a: number, b: number) => void): void {
  const moments = [...a, ...b].map(([at]) => at).sort((x, y) => x - y);
  const at = (steps: Steps, moment: number): number => steps.findLast(([from]) => from <= moment)?.[1] ?? 0;
  moments.forEach((moment, index) => {
    each((moments[index + 1] ?? moment) - moment, at(a, moment), at(b, moment));
  });
}

/** Plays the trace to the lab's autoscaler in real time, with scaled timers; then simulates what came of it. */
async function both(profile: AutoscalingProfile, timeScale: number) {
  const cluster = await MemoryCluster.start();
  const client = new KubernetesClient({ server: cluster.url });
  const live: [at: number, count: number][] = [];
  const failures: string[] = [];
  const autoscaler = new PoolAutoscaler({
    client,
    pool: () => POOL,
    profile,
    timeScale,
    onEvent: ({ at, kind, message }) => {
      live.push([at, autoscaler.nodes().length]);
      if (kind === "failed") {
        failures.push(message);
      }
    },
  });
  const startedAt = Date.now();
  try {
    await autoscaler.start();
    await Promise.all(
      TRACE.map(async ([at, seconds], index) => {
        await sleep(at * 1000);
        cluster.build(`build-${index}`, seconds * 1000, REQUESTS);
      }),
    );
    const ended = (): true | undefined =>
      [...cluster.runs.values()].every((run) => run.endedAt !== undefined) || undefined;
    await until("all builds to end", ended, 60);
    await until("the pool to be empty", () => autoscaler.nodes().length === 0 || undefined, 60);
  } finally {
    await autoscaler.stop();
    client.close();
    await cluster.stop();
  }
  assert.deepEqual(failures, []);
  const jobs = [...cluster.runs.values()].map(({ createdAt, boundAt = 0, endedAt = 0 }) => ({
    runnableAt: createdAt,
    durationMs: endedAt - boundAt,
    requests: resourcesFrom(REQUESTS),
  }));
  const simulated = simulate({
    jobs: jobs.sort((a, b) => a.runnableAt - b.runnableAt),
    pool: readPool(POOL),
    timers: scaled(PROFILES[profile], timeScale),
    placement: "spread",
    ...{ dispatchMs: 0, podStartMs: 0, imagePullMs: 0, firstScanAt: startedAt },
  });
  const waits = [...cluster.runs.values()].map(({ createdAt, boundAt = 0 }) => boundAt - createdAt);
  return {
    live: live as Steps,
    liveStarts: autoscaler.events.filter(({ kind }) => kind === "node-booted").length,
    simulated,
    waits,
  };
}

describe("the estimate's simulation beside the lab's autoscaler, on one trace", function () {
  this.timeout(180_000);

  // One after the other's real time is saved: each waits for clocks, not for the machine.
  const runs = new Map<string, ReturnType<typeof both>>();
  before(() => {
    runs.set("OPTIMIZE_UTILIZATION", both("OPTIMIZE_UTILIZATION", 60));
    runs.set("BALANCED", both("BALANCED", 300));
    for (const run of runs.values()) {
      // Each test awaits its own; a failure in the other must not be an unhandled one meanwhile.
      run.catch(() => undefined);
    }
  });

  for (const profile of ["OPTIMIZE_UTILIZATION", "BALANCED"]) {
    it(`${profile}: starts as many nodes, has as many at each moment, and pays for as many hours`, async () => {
      const run = await runs.get(profile);
      assert.ok(run !== undefined);
      const { live, liveStarts, simulated, waits } = run;
      let [apart, paidLive, paidSimulated, peak] = [0, 0, 0, 0];
      together(live, simulated.nodes, (ms, a, b) => {
        apart += ms * Math.abs(a - b);
        paidLive += ms * a;
        paidSimulated += ms * b;
        peak = Math.max(peak, a);
      });
      const mean = (values: Iterable<number>): number =>
        [...values].reduce((sum, one, _, all) => sum + one / all.length, 0);
      const text =
        `${liveStarts} and ${simulated.coldStarts} cold starts, ${(paidLive / 1000).toFixed(1)} and ` +
        `${(paidSimulated / 1000).toFixed(1)} node-seconds, ${(apart / 1000).toFixed(1)} of them apart, mean waits ` +
        `${mean(waits).toFixed(0)} and ${mean(simulated.waitsMs).toFixed(0)} ms`;
      assert.ok(Math.abs(liveStarts - simulated.coldStarts) <= TOLERANCE.coldStarts, text);
      assert.equal(peak, simulated.peakNodes, text);
      assert.ok(apart <= TOLERANCE.nodeTimeApart * paidSimulated, text);
      assert.ok(Math.abs(paidLive - paidSimulated) <= TOLERANCE.paid * paidSimulated, text);
      assert.ok(Math.abs(mean(waits) - mean(simulated.waitsMs)) <= 0.1 * mean(simulated.waitsMs) + 100, text);
    });
  }
});
