import assert from "node:assert/strict";
import { quantity } from "../../components/quantity";
import { estimate } from "../../lab/autoscaler/estimate";
import { exclusion, Room, tolerates } from "../../lab/autoscaler/fit";
import { allocatable, describeAllocatable, reservedCpu, reservedMemory } from "../../lab/autoscaler/machine-types";
import { nodeState } from "../../lab/autoscaler/node";
import { podRequests, podState } from "../../lab/autoscaler/pod";
import { readPool, templateNode, type DeclaredPool } from "../../lab/autoscaler/pool";
import { resourcesFrom } from "../../lab/autoscaler/quantity";
import { planScaleUp, withExpected } from "../../lab/autoscaler/scale-up";
import { aNode, aPod, GIB } from "../support/autoscaler-objects";

describe("the autoscaler model: quantities", () => {
  it("reads Kubernetes quantities", () => {
    const expected: [string | number, number][] = [
      ["500m", 0.5],
      ["2", 2],
      [3, 3],
      ["1.5Gi", 1.5 * GIB],
      ["1k", 1000],
      ["1e3", 1000],
      ["128974848", 128974848],
    ];
    for (const [text, value] of expected) {
      assert.equal(quantity(text), value, String(text));
    }
    assert.throws(() => quantity("two"), /not a Kubernetes quantity/);
    assert.throws(() => quantity("1GiB"), RangeError);
  });

  it("counts cpu in whole thousandths, rounded up", () => {
    assert.equal(resourcesFrom({ cpu: "0.1" }).cpu, 100);
    assert.equal(resourcesFrom({ cpu: "0.0001" }).cpu, 1);
    assert.equal(resourcesFrom(undefined).memory, 0);
  });
});

describe("the autoscaler model: a pod's requests", () => {
  const container = (cpu: string, restartPolicy?: string): Record<string, unknown> => ({
    resources: { requests: { cpu } },
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
  });
  const cpuOf = (initContainers: unknown[], containers: unknown[], overhead?: Record<string, string>): number =>
    podRequests({ metadata: { name: "p" }, spec: { initContainers, containers, overhead } } as never).cpu;

  it("are the sum of main containers and native sidecars", () => {
    assert.equal(cpuOf([container("500m", "Always")], [container("1")]), 1500);
  });

  it("are the largest moment of the init phase where that is more, with the sidecars started before", () => {
    assert.equal(cpuOf([container("3")], [container("1")]), 3000);
    assert.equal(cpuOf([container("1", "Always"), container("3")], [container("1")]), 4000);
    assert.equal(cpuOf([container("3"), container("1", "Always")], [container("1")]), 3000);
  });

  it("include the runtime's overhead", () => {
    assert.equal(cpuOf([], [container("1")], { cpu: "250m" }), 1250);
  });
});

describe("the autoscaler model: machine types", () => {
  it("keep what GKE's published formulas keep", () => {
    assert.equal(Math.round(reservedCpu(4)), 80);
    assert.equal(Math.round(reservedCpu(8)), 90);
    // 25 % of 4, 20 % of 4, 10 % of 8 GiB, and 100 MiB.
    assert.equal(Math.round(reservedMemory(16) / 2 ** 20), Math.round(2.6 * 1024 + 100));
    assert.equal(Math.round(reservedMemory(256) / 2 ** 20), Math.round((1 + 0.8 + 0.8 + 6.72 + 2.56) * 1024 + 100));
  });

  it("leave less than the nominal size for pods, and say that it is an assumption", () => {
    const { cpu, memory, ephemeralStorage } = allocatable("e2-standard-4", 100);
    assert.equal(cpu, 4000 - 80 - 250);
    assert.ok(memory < 13.4 * GIB && memory > 12 * GIB);
    assert.ok(ephemeralStorage < 60 * GIB && ephemeralStorage > 40 * GIB);
    assert.match(describeAllocatable("e2-standard-4", 100), /3670m CPU.*assumed/);
  });

  it("are refused by name when they are not in the table", () => {
    assert.throws(() => allocatable("m1-ultramem-40", 100), /"m1-ultramem-40".*known: e2-standard-2/);
  });
});

describe("the autoscaler model: what a pool declares", () => {
  const declare = (inputs: Record<string, unknown>, location = "us-central1"): DeclaredPool => ({
    ...{ id: "p", name: "pool", cluster: "projects/p/locations/l/clusters/ci", location, inputs },
  });
  const total = { totalMinNodeCount: 1, totalMaxNodeCount: 5 };

  it("is read with GKE's spelling of taints and its own labels", () => {
    const spec = readPool(
      declare({
        autoscaling: total,
        nodeConfig: {
          machineType: "n2-standard-8",
          spot: true,
          labels: { a: "b" },
          taints: [{ key: "k", value: "v", effect: "NO_SCHEDULE" }],
          workloadMetadataConfig: { mode: "GKE_METADATA" },
        },
      }),
    );
    assert.equal(spec.maxNodes, 5);
    assert.equal(spec.minNodes, 1);
    assert.deepEqual(spec.taints, [{ key: "k", value: "v", effect: "NoSchedule" }]);
    const node = templateNode(spec);
    assert.equal(node.labels["a"], "b");
    assert.equal(node.labels["cloud.google.com/gke-nodepool"], "pool");
    assert.equal(node.labels["cloud.google.com/gke-spot"], "true");
    assert.equal(node.labels["topology.kubernetes.io/region"], "us-central1");
    assert.equal(node.labels["iam.gke.io/gke-metadata-server-enabled"], "true");
  });

  it("counts the per-zone limits and the initial size once for each zone", () => {
    const perZone = { autoscaling: { minNodeCount: 1, maxNodeCount: 4 }, initialNodeCount: 2 };
    const regional = readPool(declare(perZone));
    assert.deepEqual([regional.minNodes, regional.maxNodes, regional.initialNodes], [3, 12, 6]);
    const zonal = readPool(declare(perZone, "us-central1-a"));
    assert.deepEqual([zonal.minNodes, zonal.maxNodes, zonal.initialNodes], [1, 4, 2]);
  });

  it("is refused without a maximum or with an unknown taint effect", () => {
    assert.throws(() => readPool(declare({})), /totalMaxNodeCount must be more than 0/);
    const taints = [{ key: "k", value: "v", effect: "NoSchedule" }];
    assert.throws(() => readPool(declare({ autoscaling: total, nodeConfig: { taints } })), /effect of NO_SCHEDULE/);
  });
});

describe("the autoscaler model: fit", () => {
  it("follows Kubernetes' rules for tolerations", () => {
    const taint = { key: "k", value: "v", effect: "NoSchedule" } as const;
    assert.ok(tolerates({ key: "k", value: "v" }, taint));
    assert.ok(tolerates({ key: "k", operator: "Exists", effect: "NoSchedule" }, taint));
    assert.ok(tolerates({ operator: "Exists" }, taint));
    assert.ok(!tolerates({ key: "k", value: "other" }, taint));
    assert.ok(!tolerates({ key: "k", value: "v", effect: "NoExecute" }, taint));
    assert.ok(!tolerates({ key: "other", operator: "Exists" }, taint));
  });

  it("asks selector, affinity, taint, cordon, pod count and every resource", () => {
    const node = aNode("n", {
      labels: { disk: "ssd", size: "8" },
      taints: [{ key: "k", value: "v", effect: "NoSchedule" }],
      maxPods: 1,
    });
    const tolerations = [{ key: "k", operator: "Exists" }];
    const fits = (more: Parameters<typeof aPod>[1]): string | undefined =>
      new Room(node).refusal(aPod("p", { tolerations, ...more }));
    assert.equal(fits({}), undefined);
    assert.match(fits({ tolerations: [] }) ?? "", /untolerated taint \{k: v\}/);
    assert.match(fits({ nodeSelector: { disk: "hdd" } }) ?? "", /affinity\/selector/);
    assert.match(fits({ nodeAffinity: [[{ key: "disk", operator: "NotIn", values: ["ssd"] }]] }) ?? "", /affinity/);
    assert.equal(
      fits({ nodeAffinity: [[{ key: "x", operator: "Exists" }], [{ key: "size", operator: "Gt", values: ["4"] }]] }),
      undefined,
    );
    assert.equal(fits({ requests: { cpu: 5000, memory: 0, ephemeralStorage: 0 } }), "Insufficient cpu");
    assert.equal(fits({ requests: { cpu: 1, memory: 99 * GIB, ephemeralStorage: 0 } }), "Insufficient memory");
    assert.equal(
      fits({ requests: { cpu: 1, memory: 1, ephemeralStorage: 999 * GIB } }),
      "Insufficient ephemeral-storage",
    );
    assert.match(exclusion(aPod("p"), aNode("n", { unschedulable: true })) ?? "", /unschedulable/);
    assert.equal(
      exclusion(aPod("p"), aNode("n", { taints: [{ key: "k", value: "", effect: "PreferNoSchedule" }] })),
      undefined,
    );
    const room = new Room(node);
    room.place(aPod("p", { tolerations }));
    assert.equal(room.refusal(aPod("q", { tolerations })), "Too many pods");
  });

  it("takes a node with the not-ready taint as not ready, whatever its condition says", () => {
    const status = { conditions: [{ type: "Ready", status: "True" }], allocatable: { cpu: "4" } };
    const metadata = { name: "n" };
    assert.ok(nodeState({ metadata, status }).ready);
    const taints = [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" as const }];
    assert.ok(!nodeState({ metadata, status, spec: { taints } }).ready);
  });
});

describe("the autoscaler model: how many nodes", () => {
  const cpu = (millicores: number): Parameters<typeof aPod>[1] => ({
    requests: { cpu: millicores, memory: 0, ephemeralStorage: 0 },
    unschedulable: true,
    nodeName: undefined,
  });
  const pods = (count: number, millicores: number) =>
    Array.from({ length: count }, (_, index) => aPod(`p${index}`, cpu(millicores)));
  const template = aNode("template");
  const base = { readyNodes: [], upcoming: 0, current: 0, maxNodes: 10, template, now: 1_000_000 };

  it("packs first fit, largest first", () => {
    const mixed = [...pods(2, 1000), ...pods(2, 3000)];
    assert.equal(estimate(mixed, template, 10).nodes, 2);
    assert.equal(estimate(pods(5, 1500), template, 10).nodes, 3);
  });

  it("stops at the limit, and tells apart what is left from what never fits", () => {
    const result = estimate([...pods(5, 3000), ...pods(1, 9000)], template, 2);
    assert.deepEqual([result.nodes, result.placed.length, result.left.length], [2, 2, 3]);
    assert.equal(result.impossible[0]?.reason, "Insufficient cpu");
  });

  it("never asks for more than the maximum leaves", () => {
    const plan = planScaleUp({ ...base, pods: pods(9, 3000), current: 2, maxNodes: 4 });
    assert.equal(plan.count, 2);
    assert.equal(plan.notTriggered.length, 7);
    assert.match(plan.notTriggered[0]?.reason ?? "", /max node group size reached/);
    assert.equal(planScaleUp({ ...base, pods: pods(9, 3000), current: 5, maxNodes: 4 }).count, 0);
  });

  it("asks for at most a thousand at once", () => {
    assert.equal(planScaleUp({ ...base, pods: pods(1200, 3000), maxNodes: 5000 }).count, 1000);
  });

  it("fills ready and upcoming nodes first", () => {
    const wanting = pods(3, 3000);
    assert.equal(planScaleUp({ ...base, pods: wanting, readyNodes: [aNode("n")], upcoming: 1 }).count, 1);
    const busy = aPod("busy", { requests: { cpu: 3000, memory: 0, ephemeralStorage: 0 }, nodeName: "n" });
    assert.equal(planScaleUp({ ...base, pods: [busy, ...wanting], readyNodes: [aNode("n")], upcoming: 1 }).count, 2);
  });

  it("is moved only by pods that the scheduler called unschedulable, of priority -10 or more, past their delay", () => {
    const count = (more: Parameters<typeof aPod>[1]): number =>
      planScaleUp({ ...base, pods: [aPod("p", { ...cpu(100), ...more })] }).count;
    assert.equal(count({}), 1);
    assert.equal(count({ unschedulable: false }), 0);
    assert.equal(count({ priority: -11 }), 0);
    assert.equal(count({ priority: -10 }), 1);
    const annotations = { "cluster-autoscaler.kubernetes.io/pod-scale-up-delay": "10s" };
    assert.equal(count({ annotations, createdAt: base.now - 9_999 }), 0);
    assert.equal(count({ annotations, createdAt: base.now - 10_000 }), 1);
  });

  it("counts a waiting pod that fits as placed when it asks which nodes are needed", () => {
    const [placed] = withExpected(pods(1, 3000), [aNode("n")]);
    assert.equal(placed?.nodeName, "n");
    const [homeless] = withExpected(pods(1, 9000), [aNode("n")]);
    assert.equal(homeless?.nodeName, undefined);
  });

  it("sees a pod as unschedulable only while it has no node and is not being deleted", () => {
    const conditions = [{ type: "PodScheduled", status: "False", reason: "Unschedulable" }];
    const metadata = { name: "p" };
    assert.ok(podState({ metadata, status: { conditions } }).unschedulable);
    assert.ok(!podState({ metadata, status: { conditions }, spec: { nodeName: "n" } }).unschedulable);
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    assert.ok(!podState({ metadata: { ...metadata, deletionTimestamp }, status: { conditions } }).unschedulable);
    const gated = [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }];
    assert.ok(!podState({ metadata, status: { conditions: gated } }).unschedulable);
  });
});
