import assert from "node:assert/strict";
import { clusterFaults, type ClusterLookup } from "../../stack/gke-cluster-rules";

const USABLE = {
  name: "ci",
  endpoint: "192.0.2.1",
  masterVersion: "1.33.4-gke.100",
  enableAutopilot: false,
  masterAuths: [],
  workloadIdentityConfigs: [{ workloadPool: "acme.svc.id.goog" }],
  clusterAutoscalings: [],
  controlPlaneEndpointsConfigs: [],
  nodePools: [{ nodeConfigs: [{ taints: [] }] }],
} as unknown as ClusterLookup;

describe("the rules for a GKE cluster", () => {
  it("accept a Standard cluster with Workload Identity, Kubernetes 1.30 or newer and an untainted pool", () => {
    assert.deepEqual(clusterFaults(USABLE), []);
    assert.deepEqual(clusterFaults({ ...USABLE, masterVersion: "1.30.0-gke.1" }), []);
    assert.deepEqual(clusterFaults({ ...USABLE, masterVersion: "2.0.0" }), []);
  });

  const taint = { key: "a", value: "b", effect: "NO_SCHEDULE" };
  const refused: [string, Partial<Record<keyof ClusterLookup, unknown>>, RegExp][] = [
    ["Autopilot", { enableAutopilot: true }, /Autopilot cluster, which refuses privileged pods/],
    ["an old Kubernetes", { masterVersion: "1.29.15-gke.1" }, /runs Kubernetes 1\.29\.15-gke\.1, but 1\.30 or newer/],
    ["no Workload Identity", { workloadIdentityConfigs: [] }, /Workload Identity is off/],
    ["an empty workload pool", { workloadIdentityConfigs: [{ workloadPool: "" }] }, /Workload Identity is off/],
    ["only tainted pools", { nodePools: [{ nodeConfigs: [{ taints: [taint] }] }] }, /every node pool is tainted/],
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
