import assert from "node:assert/strict";
import { PROFILES, type AutoscalingProfile } from "../../lab/autoscaler";
import { resourcesFrom } from "../../lab/autoscaler/quantity";
import type { PoolSpec } from "../../lab/autoscaler/pool";
import { SeededRandom } from "../../lab/buildkite/seeded-random";
import { simulate, type SimulationOptions, type SimulationResult } from "../../lab/estimate/simulation";

const MINUTE = 60_000;
const ONE = resourcesFrom({ cpu: "2", memory: "7Gi" });
const HALF = resourcesFrom({ cpu: "1500m", memory: "4Gi" });
const SMALL = resourcesFrom({ cpu: "500m", memory: "1Gi" });

const pool = (maxNodes: number): PoolSpec => ({
  ...{ name: "builds", cluster: "c", location: "us-central1-a", zones: ["us-central1-a"] },
  ...{ minNodes: 0, maxNodes, initialNodes: 0, machineType: "e2-standard-4", diskGib: 100, maxPodsPerNode: 110 },
  ...{ labels: {}, taints: [] },
});

function options(
  jobs: SimulationOptions["jobs"],
  maxNodes: number,
  profile: AutoscalingProfile = "OPTIMIZE_UTILIZATION",
): SimulationOptions {
  return {
    ...{ jobs, pool: pool(maxNodes), timers: PROFILES[profile], placement: "spread" },
    ...{ dispatchMs: 1_000, podStartMs: 7_000, imagePullMs: 20_000 },
  };
}

const job = (minute: number, minutes: number, requests = ONE): SimulationOptions["jobs"][number] => ({
  runnableAt: minute * MINUTE,
  durationMs: minutes * MINUTE,
  requests,
});
const seconds = (result: SimulationResult): number[] => [...result.waitsMs].map((ms) => ms / 1000);

describe("the estimate's simulation", () => {
  it("makes a first build wait for dispatch, scan, boot, images and pod, and pays until the idle node goes", () => {
    const result = simulate(options([job(0, 5)], 4));
    // Runnable at 0, pod at 1, next loop at 5, node at 95, images and agent at 122.
    assert.deepEqual(seconds(result), [122]);
    assert.equal(result.coldStarts, 1);
    assert.equal(result.lastEndAt, 422_000);
    // Found idle at 425; a minute later it goes. It was below the threshold while it ran, so its standing is looked at again
    // every 20 s only.
    const [[, first] = [], [gone, last] = []] = result.nodes;
    assert.deepEqual([first, last], [1, 0]);
    assert.ok(gone !== undefined && gone >= 485_000 && gone <= 505_000, String(gone));
    assert.equal(result.paidMs, gone - 5_000);
    assert.equal(result.busyMs, 422_000 - 95_000);
    assert.equal(result.usedMs, 5 * MINUTE);
  });

  it("gives a second build the warm node, and starts another once that is gone", () => {
    const result = simulate(options([job(0, 5), job(7.5, 5), job(60, 1)], 4));
    assert.deepEqual(seconds(result), [122, 8, 122]);
    assert.equal(result.coldStarts, 2);
  });

  it("keeps an idle node ten minutes and more where the profile is balanced", () => {
    const jobs = [job(0, 5), job(16, 5)];
    assert.equal(simulate(options(jobs, 4, "BALANCED")).coldStarts, 1);
    assert.equal(simulate(options(jobs, 4, "OPTIMIZE_UTILIZATION")).coldStarts, 2);
  });

  it("never has more than the maximum; the others wait for their turn, oldest first", () => {
    const jobs = Array.from({ length: 5 }, () => job(0, 10));
    const result = simulate(options(jobs, 2));
    assert.equal(result.peakNodes, 2);
    assert.deepEqual(seconds(result), [122, 122, 122 + 600 + 7, 122 + 600 + 7, 122 + 2 * (600 + 7)]);
    assert.equal(simulate(options(jobs, 16)).peakNodes, 5);
  });

  it("puts builds on one node where they fit, and counts each as its part of it", () => {
    const result = simulate(options([job(0, 10, HALF), job(0, 10, HALF)], 4));
    assert.equal(result.coldStarts, 1);
    assert.equal(result.usedMs, 10 * MINUTE);
  });

  it("fills the fullest node first where GKE's scheduler does, so that the other can go", () => {
    // Two nodes for three halves; then one long half is left on one of them, and short ones come.
    const jobs = [
      job(0, 30, HALF),
      job(0, 4, HALF),
      job(0, 4, HALF),
      ...Array.from({ length: 20 }, (_, at) => job(7 + at, 0.5, HALF)),
    ];
    const spread = simulate(options(jobs, 2));
    const pack = simulate({ ...options(jobs, 2), placement: "pack" });
    assert.ok(pack.paidMs < 0.75 * spread.paidMs, `${pack.paidMs} and ${spread.paidMs}`);
  });

  it("refuses a build that fits on no node, in words", () => {
    const huge = resourcesFrom({ cpu: "8", memory: "1Gi" });
    assert.throws(() => simulate(options([job(0, 1, huge)], 2)), /fits on no e2-standard-4/);
  });

  it("decides as if it ran every loop with every pod, though it leaves out those that can change nothing", () => {
    for (const seed of [1, 2, 3]) {
      const random = new SeededRandom(seed);
      const jobs = Array.from({ length: 120 }, () => ({
        // Bursts with pauses between them that are longer than the idle time of either profile.
        runnableAt: random.integer(0, 5) * 40 * MINUTE + random.integer(0, 12 * MINUTE),
        durationMs: random.integer(5_000, 9 * MINUTE),
        requests: [ONE, HALF, SMALL][random.integer(0, 2)] ?? ONE,
      })).sort((a, b) => a.runnableAt - b.runnableAt);
      for (const profile of ["BALANCED", "OPTIMIZE_UTILIZATION"] as const) {
        for (const maxNodes of [1, 3, 20]) {
          const quick = simulate(options(jobs, maxNodes, profile));
          const slow = simulate({ ...options(jobs, maxNodes, profile), everyScan: true });
          assert.deepEqual(quick, slow, `seed ${seed}, ${profile}, ${maxNodes}`);
        }
      }
    }
  });

  it("gives the same for the same", () => {
    const jobs = Array.from({ length: 50 }, (_, at) => job(at * 0.7, 3, HALF));
    assert.deepEqual(simulate(options(jobs, 4)), simulate(options(jobs, 4)));
  });
});
