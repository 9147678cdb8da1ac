import assert from "node:assert/strict";
import { clusterLookup } from "../../lab/gcp/cluster";
import { clusterFaults, type ClusterLookup } from "../../stack/gke-cluster-rules";

/** As the data source tells it: `taints` are those of Terraform's own state, and there is none for a cluster looked up. */
function pool(...effects: string[]): ClusterLookup["nodePools"][number] {
  const effectiveTaints = effects.map((effect) => ({ key: "a", value: "b", effect }));
  return { nodeConfigs: [{ taints: [], effectiveTaints }] } as unknown as ClusterLookup["nodePools"][number];
}

const USABLE = {
  name: "ci",
  endpoint: "192.0.2.1",
  masterVersion: "1.33.4-gke.100",
  enableAutopilot: false,
  masterAuths: [],
  workloadIdentityConfigs: [{ workloadPool: "acme.svc.id.goog" }],
  clusterAutoscalings: [],
  controlPlaneEndpointsConfigs: [],
  nodePools: [pool()],
} as unknown as ClusterLookup;

describe("the rules for a GKE cluster", () => {
  it("accept a Standard cluster with Workload Identity, Kubernetes 1.30 or newer and an untainted pool", () => {
    assert.deepEqual(clusterFaults(USABLE), []);
    assert.deepEqual(clusterFaults({ ...USABLE, masterVersion: "1.30.0-gke.1" }), []);
    assert.deepEqual(clusterFaults({ ...USABLE, masterVersion: "2.0.0" }), []);
  });

  it("accept a pool whose taint only asks pods to go elsewhere, and one untainted pool among others", () => {
    const tainted = pool("NO_SCHEDULE");
    assert.deepEqual(clusterFaults({ ...USABLE, nodePools: [pool("PREFER_NO_SCHEDULE")] }), []);
    assert.deepEqual(clusterFaults({ ...USABLE, nodePools: [tainted, pool(), tainted] }), []);
  });

  it("accept a cluster whose pools are all tainted where GKE makes pools by itself", () => {
    const autoscaling = (enabled: boolean) => [{ enabled }] as ClusterLookup["clusterAutoscalings"];
    const tainted = { ...USABLE, nodePools: [pool("NO_SCHEDULE")] };
    assert.deepEqual(clusterFaults({ ...tainted, clusterAutoscalings: autoscaling(true) }), []);
    assert.equal(clusterFaults({ ...tainted, clusterAutoscalings: autoscaling(false) }).length, 1);
  });

  it("say of the lab's cluster what they would say of a real one", () => {
    const at = { project: "acme", location: "europe-west1", name: "ci", endpoint: "192.0.2.1", caPem: "" };
    const faults = (systemPool: boolean) =>
      clusterFaults(clusterLookup({ ...at, systemPool }) as unknown as ClusterLookup);
    assert.deepEqual(faults(true), []);
    assert.match(faults(false).join(), /^every node pool is tainted/);
  });

  const refused: [string, Partial<Record<keyof ClusterLookup, unknown>>, RegExp][] = [
    ["Autopilot", { enableAutopilot: true }, /Autopilot cluster, which refuses privileged pods/],
    ["an old Kubernetes", { masterVersion: "1.29.15-gke.1" }, /runs Kubernetes 1\.29\.15-gke\.1, but 1\.30 or newer/],
    ["no Workload Identity", { workloadIdentityConfigs: [] }, /Workload Identity is off/],
    ["an empty workload pool", { workloadIdentityConfigs: [{ workloadPool: "" }] }, /Workload Identity is off/],
    [
      "only tainted pools",
      { nodePools: [pool("NO_SCHEDULE"), pool("PREFER_NO_SCHEDULE", "NO_EXECUTE")] },
      /every node pool is tainted/,
    ],
    ["no pool at all", { nodePools: [] }, /every node pool is tainted/],
  ];
  for (const [what, change, message] of refused) {
    it(`refuse ${what}, and say how to mend it`, () => {
      const faults = clusterFaults({ ...USABLE, ...change } as ClusterLookup);
      assert.equal(faults.length, 1);
      assert.match(faults[0] ?? "", message);
    });
  }
});
