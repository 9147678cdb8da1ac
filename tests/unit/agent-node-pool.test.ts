import assert from "node:assert/strict";
import { AgentNodePool, type AgentNodePoolArgs } from "../../components";
import { MAX_JOBS_PER_NODE, SYSTEM_PODS_PER_NODE } from "../../components/pods-per-node";
import { only, registrationsOf } from "../support/mocks";

const ARGS: AgentNodePoolArgs = { cluster: "ci", location: "europe-west1", project: "acme", maxNodes: 7 };
const POOL = "gcp:container/nodePool:NodePool";

describe("AgentNodePool", () => {
  it("bounds the total, not the nodes per zone, and starts from zero", async () => {
    const pool = only(await registrationsOf(() => new AgentNodePool("agents", ARGS)), POOL);
    assert.deepEqual(pool.inputs["autoscaling"], { totalMinNodeCount: 0, totalMaxNodeCount: 7, locationPolicy: "ANY" });
    assert.equal(pool.inputs["initialNodeCount"], 0);
    assert.equal(pool.inputs["nodeCount"], undefined);
    assert.deepEqual(pool.ignoreChanges, ["initialNodeCount", "nodeCount"]);
  });

  it("has pods on a node for the most builds, and for what GKE runs there itself", async () => {
    const pool = only(await registrationsOf(() => new AgentNodePool("agents", ARGS)), POOL);
    assert.equal(pool.inputs["maxPodsPerNode"], 32);
    assert.equal(MAX_JOBS_PER_NODE + SYSTEM_PODS_PER_NODE, pool.inputs["maxPodsPerNode"]);
  });

  it("labels and taints its nodes with its own name, and hands out what pods need to land there", async () => {
    let component: AgentNodePool | undefined;
    const registrations = await registrationsOf(() => {
      component = new AgentNodePool("agents", {
        ...ARGS,
        labels: { team: "web" },
        taints: [{ key: "acme.example/ci", value: "yes", effect: "NO_EXECUTE" }],
      });
    });
    const node = only(registrations, POOL).inputs["nodeConfig"] as Record<string, unknown>;
    assert.deepEqual(node["labels"], { team: "web", "buildkite-scale-to-zero/pool": "agents-test" });
    assert.deepEqual(node["taints"], [
      { key: "buildkite-scale-to-zero/pool", value: "agents-test", effect: "NO_SCHEDULE" },
      { key: "acme.example/ci", value: "yes", effect: "NO_EXECUTE" },
    ]);
    assert.deepEqual(component?.nodeSelector, { "buildkite-scale-to-zero/pool": "agents-test" });
    assert.deepEqual(component.tolerations, [
      { key: "buildkite-scale-to-zero/pool", operator: "Equal", value: "agents-test", effect: "NoSchedule" },
      { key: "acme.example/ci", operator: "Equal", value: "yes", effect: "NoExecute" },
    ]);
  });

  it("gives its nodes an account of their own with the node role only", async () => {
    const registrations = await registrationsOf(() => new AgentNodePool("agents", ARGS), { stack: "dev" });
    assert.equal(only(registrations, "gcp:serviceaccount/account:Account").inputs["accountId"], "agents-dev");
    const role = only(registrations, "gcp:projects/iAMMember:IAMMember").inputs;
    assert.equal(role["role"], "roles/container.defaultNodeServiceAccount");
    const node = only(registrations, POOL).inputs["nodeConfig"] as Record<string, unknown>;
    assert.equal(node["serviceAccount"], "agents-node@example.iam.gserviceaccount.com");
    assert.deepEqual(node["workloadMetadataConfig"], { mode: "GKE_METADATA" });
    assert.deepEqual(node["shieldedInstanceConfig"], { enableSecureBoot: true, enableIntegrityMonitoring: true });
  });

  it("names its children after itself and is their parent, and needs no known value at preview", async () => {
    const registrations = await registrationsOf(() => new AgentNodePool("agents", ARGS), { preview: true });
    assert.deepEqual(registrations.map(({ type, name }) => `${type} ${name}`).sort(), [
      "buildkite-scale-to-zero:index:AgentNodePool agents",
      "gcp:container/nodePool:NodePool agents-pool",
      "gcp:projects/iAMMember:IAMMember agents-node-role",
      "gcp:serviceaccount/account:Account agents-node",
    ]);
    for (const child of registrations.filter(({ type }) => type.startsWith("gcp:"))) {
      assert.match(child.parent, /buildkite-scale-to-zero:index:AgentNodePool::agents$/);
    }
  });

  const refused: [string, Partial<AgentNodePoolArgs>, RegExp][] = [
    ["no node at all", { maxNodes: 0 }, /maxNodes must be a whole number from 1 to 1000, got 0/],
    ["more than GKE allows", { maxNodes: 1001 }, /maxNodes must be a whole number from 1 to 1000, got 1001/],
    ["half a node", { maxNodes: 1.5 }, /maxNodes must be a whole number from 1 to 1000, got 1.5/],
    ["a machine type with a typo", { machineType: "E2 standard" }, /machineType must be a Compute Engine machine type/],
    ...["t2a-standard-4", "c4a-highcpu-8", "n4a-standard-16", "a4x-highgpu-4g"].map(
      (machineType): [string, Partial<AgentNodePoolArgs>, RegExp] => [
        `the Arm machine type ${machineType}, whose nodes take no build`,
        { machineType },
        new RegExp(`machineType must be an x86 machine type .*arm64:NoSchedule.*, got "${machineType}"`),
      ],
    ),
    ["a disk that is too small", { diskSizeGb: 5 }, /diskSizeGb must be a whole number from 20 to 65536, got 5/],
    ["a zone that is a region", { zones: ["europe-west1"] }, /zones\[0\] must be a zone/],
    ["a label value that is too long", { labels: { a: "x".repeat(64) } }, /labels\.a must be a Kubernetes label value/],
    ["a label of GKE's", { labels: { "cloud.google.com/x": "1" } }, /belongs to the pool or to GKE/],
    [
      "a taint in Kubernetes' spelling",
      { taints: [{ key: "a", value: "b", effect: "NoSchedule" as "NO_SCHEDULE" }] },
      /taints\[0\]\.effect must be NO_SCHEDULE/,
    ],
    ["an account id that is too short", { serviceAccountId: "abc" }, /serviceAccountId must be 6 to 30/],
    ["an account id that is too long", { serviceAccountId: "a".repeat(31) }, /serviceAccountId must be 6 to 30/],
  ];
  for (const [what, args, message] of refused) {
    it(`refuses ${what} before it creates anything`, async () => {
      const registrations = await registrationsOf(() => {
        assert.throws(() => new AgentNodePool("agents", { ...ARGS, ...args }), message);
      });
      assert.deepEqual(
        registrations.filter(({ type }) => type.startsWith("gcp:")),
        [],
      );
    });
  }

  it("takes x86 machine types whose names resemble those of Arm ones", async () => {
    for (const machineType of [
      "c4-standard-4",
      "n4-custom-4-16384",
      "t2d-standard-4",
      "a4-highgpu-8g",
      "n4d-standard-2",
    ]) {
      const pool = only(await registrationsOf(() => new AgentNodePool("agents", { ...ARGS, machineType })), POOL);
      assert.equal((pool.inputs["nodeConfig"] as Record<string, unknown>)["machineType"], machineType);
    }
  });

  it("lists every fault at once", async () => {
    await registrationsOf(() => {
      assert.throws(
        () => new AgentNodePool("agents", { ...ARGS, maxNodes: 0, diskSizeGb: 1 }),
        /maxNodes .*; diskSizeGb /,
      );
    });
  });
});
