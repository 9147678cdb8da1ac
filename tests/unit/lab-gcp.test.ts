import assert from "node:assert/strict";
import { InputReader } from "../../lab/gcp/input-reader";
import { GcpProject } from "../../lab/gcp/project";
import { secret, textOf, UNKNOWN, type Properties } from "../../lab/pulumi/provider-protocol/property-values";

const POOL = "gcp:container/nodePool:NodePool";
const CONFIG = { project: "p" };
const CLUSTER = { project: "p", location: "europe-west1", name: "builds", endpoint: "127.0.0.1:1", caPem: "ca" };

function address(type: string, name = "agents") {
  return { urn: `urn:pulumi:dev::fixture::${type}::${name}`, type, name };
}

function check(type: string, news: Properties, olds: Properties = {}) {
  return new GcpProject().check({ ...address(type), olds, news, randomSeed: Uint8Array.of(1) });
}

function poolInputs(more: Properties = {}): Properties {
  return {
    cluster: "builds",
    location: "europe-west1",
    autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 3 },
    nodeConfig: { machineType: "e2-standard-4", taints: [{ key: "pool", value: "agents", effect: "NO_SCHEDULE" }] },
    ...more,
  };
}

function taint(fields: Properties): Properties {
  return poolInputs({ nodeConfig: { taints: [{ key: "pool", value: "agents", effect: "NO_SCHEDULE", ...fields }] } });
}

function projectWithPool() {
  const project = new GcpProject();
  project.clusters.set("projects/p/locations/europe-west1/clusters/builds", CLUSTER);
  const { inputs } = project.check({ ...address(POOL), olds: {}, news: poolInputs(), randomSeed: new Uint8Array() });
  const created = project.create({ ...address(POOL), inputs, timeoutSeconds: 0, preview: false }, CONFIG);
  return { project, inputs, ...created };
}

describe("the lab's Google: what a node pool may be", () => {
  it("accepts the pool that scales from zero", () => {
    assert.deepEqual(check(POOL, poolInputs()).failures, []);
  });

  const faults: [string, Properties, string, RegExp][] = [
    [
      "limits per zone and limits in total at once",
      poolInputs({ autoscaling: { minNodeCount: 0, maxNodeCount: 1, totalMinNodeCount: 0, totalMaxNodeCount: 3 } }),
      "autoscaling",
      /exclude each other/,
    ],
    [
      "a minimum above the maximum",
      poolInputs({ autoscaling: { totalMinNodeCount: 4, totalMaxNodeCount: 3 } }),
      "autoscaling.totalMinNodeCount",
      /at most totalMaxNodeCount \(3\), got 4/,
    ],
    [
      "a negative minimum",
      poolInputs({ autoscaling: { totalMinNodeCount: -1, totalMaxNodeCount: 3 } }),
      "autoscaling.totalMinNodeCount",
      /at least 0, got -1/,
    ],
    [
      "a maximum of 0",
      poolInputs({ autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 0 } }),
      "autoscaling.totalMaxNodeCount",
      /greater than 0/,
    ],
    ["no limits at all", poolInputs({ autoscaling: { locationPolicy: "ANY" } }), "autoscaling", /needs/],
    ["a name in capitals", poolInputs({ name: "Agents" }), "name", /1-40 characters/],
    ["a name of 41 characters", poolInputs({ name: "a".repeat(41) }), "name", /1-40 characters/],
    [
      "Kubernetes' spelling of a taint's effect",
      taint({ effect: "NoSchedule" }),
      "nodeConfig.taints.0.effect",
      /NO_SCHEDULE/,
    ],
    ["a taint without value", taint({ value: null }), "nodeConfig.taints.0.value", /missing required property/],
    ["a disk of 9 GB", poolInputs({ nodeConfig: { diskSizeGb: 9 } }), "nodeConfig.diskSizeGb", /at least 10/],
    ["no cluster", { ...poolInputs(), cluster: null }, "cluster", /missing required property/],
    [
      "Spot and preemptible at once",
      poolInputs({ nodeConfig: { spot: true, preemptible: true } }),
      "nodeConfig.spot",
      /exclude each other/,
    ],
    [
      "a label that Kubernetes would refuse",
      poolInputs({ nodeConfig: { labels: { pool: "no spaces" } } }),
      "nodeConfig.labels",
      /not a Kubernetes label/,
    ],
  ];
  for (const [what, inputs, property, reason] of faults) {
    it(`refuses ${what}`, () => {
      const { failures } = check(POOL, inputs);
      assert.deepEqual(
        failures.map((failure) => failure.property),
        [property],
      );
      assert.match(failures[0]?.reason ?? "", reason);
    });
  }

  it("lets values pass that are not known yet", () => {
    const autoscaling = { totalMinNodeCount: 0, totalMaxNodeCount: UNKNOWN };
    assert.deepEqual(check(POOL, poolInputs({ autoscaling, name: UNKNOWN })).failures, []);
  });
});

describe("the lab's Google: names", () => {
  it("generates the name with seven hex digits, keeps it, and makes a new one for a replacement", () => {
    const first = check(POOL, poolInputs()).inputs;
    assert.match(textOf(first["name"]), /^agents-[0-9a-f]{7}$/);
    assert.equal(check(POOL, poolInputs(), first).inputs["name"], first["name"]);
    const project = new GcpProject();
    const other = project.check({ ...address(POOL), olds: {}, news: poolInputs(), randomSeed: Uint8Array.of(2) });
    assert.notEqual(other.inputs["name"], first["name"]);
  });

  it("does not keep a name that the program fixed once and then left out", () => {
    const named = check(POOL, poolInputs({ name: "fixed" })).inputs;
    assert.match(textOf(check(POOL, poolInputs(), named).inputs["name"]), /^agents-[0-9a-f]{7}$/);
  });

  for (const [accountId, fits] of [
    ["abcde", false],
    ["abcdef", true],
    ["a".repeat(30), true],
    ["a".repeat(31), false],
    ["1bcdef", false],
  ] as const) {
    it(`${fits ? "accepts" : "refuses"} the service account id ${accountId}`, () => {
      assert.equal(check("gcp:serviceaccount/account:Account", { accountId }).failures.length === 0, fits);
    });
  }

  it("refuses an IAM member without its kind", () => {
    const inputs = { project: "p", role: "roles/x", member: "a@b.iam.gserviceaccount.com" };
    assert.deepEqual(
      check("gcp:projects/iAMMember:IAMMember", inputs).failures.map(({ property }) => property),
      ["member"],
    );
  });
});

describe("the lab's Google: changes", () => {
  const olds = { ...poolInputs({ name: "agents-1234567" }), __defaults: ["name"] };
  function diff(news: Properties, oldInputs: Properties = olds) {
    const request = { ...address(POOL), id: "x", oldInputs, oldState: {}, ignoreChanges: [], news };
    return new GcpProject().diff(request);
  }

  it("finds nothing where nothing changed, generated names and secret markers aside", () => {
    const { differences, replaces } = diff({ ...olds, cluster: secret("builds") });
    assert.deepEqual([differences, replaces], [[], []]);
  });

  it("changes limits, machine type and taints in place", () => {
    const result = diff({
      ...olds,
      autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 5 },
      nodeConfig: { machineType: "e2-standard-8", taints: [{ key: "pool", value: "other", effect: "NO_SCHEDULE" }] },
    });
    assert.deepEqual(result.differences.map(([path]) => path).sort(), [
      "autoscaling.totalMaxNodeCount",
      "nodeConfig.machineType",
      "nodeConfig.taints[0].value",
    ]);
    assert.deepEqual(result.replaces, []);
  });

  it("replaces for Spot, the location and the initial count, new pool first", () => {
    const result = diff({ ...olds, location: "us-east1", initialNodeCount: 1, nodeConfig: { spot: true } });
    const wanted = ["initialNodeCount", "location", "nodeConfig.spot"];
    assert.deepEqual(result.replaces.filter((path) => wanted.includes(path)).sort(), wanted);
    assert.equal(result.deleteBeforeReplace, false);
  });

  it("deletes first where the program fixed the name", () => {
    const named = { ...poolInputs({ name: "agents" }), __defaults: [] };
    assert.equal(diff({ ...named, location: "us-east1" }, named).deleteBeforeReplace, true);
  });
});

describe("the lab's Google: a resource's life", () => {
  it("keeps what was created, shows it to a read, and loses it with the delete", async () => {
    const { project, id, inputs, state } = projectWithPool();
    assert.equal(state["initialNodeCount"], 0);
    assert.equal("__defaults" in state, false);
    const found = project.read({ ...address(POOL), id, inputs, state }, CONFIG);
    assert.deepEqual(found, { id, inputs, state });
    await project.delete(
      { ...address(POOL), id, oldInputs: inputs, state, timeoutSeconds: 0 },
      new AbortController().signal,
    );
    assert.equal(project.read({ ...address(POOL), id, inputs, state }, CONFIG), undefined);
  });

  it("keeps the resource when a deletion is given up", async () => {
    const { project, id, inputs, state } = projectWithPool();
    project.beforeDelete = () => Promise.resolve();
    const signal = AbortSignal.abort(new Error("given up"));
    const request = { ...address(POOL), id, oldInputs: inputs, state, timeoutSeconds: 0 };
    await assert.rejects(project.delete(request, signal), /given up/);
    assert.equal(project.resources.size, 1);
  });

  it("refuses a second resource of the same id, and a pool of a cluster that does not exist", () => {
    const { project, inputs } = projectWithPool();
    const create = (more: Properties) => () =>
      project.create({ ...address(POOL), inputs: { ...inputs, ...more }, timeoutSeconds: 0, preview: false }, CONFIG);
    assert.throws(create({}), /Error 409: Already exists/);
    assert.throws(create({ name: "other", cluster: "nowhere" }), /Error 404: Not found: .*clusters\/nowhere/);
  });

  it("creates nothing at preview, and says which outputs are not known yet", () => {
    const project = new GcpProject();
    const created = project.create({ ...address(POOL), inputs: poolInputs(), timeoutSeconds: 0, preview: true }, {});
    assert.deepEqual([created.id, created.state["operation"], project.resources.size], ["", UNKNOWN, 0]);
  });

  it("keeps secrets marked in the state", () => {
    const { project, inputs } = projectWithPool();
    const marked = { ...inputs, name: "other", nodeConfig: { labels: { key: secret("value") } } };
    const { state } = project.create({ ...address(POOL), inputs: marked, timeoutSeconds: 0, preview: false }, CONFIG);
    assert.deepEqual(state["nodeConfig"], marked.nodeConfig);
  });
});

describe("the lab's Google: look-ups", () => {
  const project = new GcpProject();
  project.clusters.set("projects/p/locations/europe-west1/clusters/builds", CLUSTER);
  const getCluster = "gcp:container/getCluster:getCluster";

  it("answers with the address, the CA and what a program judges a cluster by", () => {
    const found = project.invoke(getCluster, { name: "builds", location: "europe-west1" }, CONFIG);
    assert.equal(found["endpoint"], "127.0.0.1:1");
    const [auth] = found["masterAuths"] as { clusterCaCertificate: string }[];
    assert.equal(Buffer.from(auth?.clusterCaCertificate ?? "", "base64").toString(), "ca");
    assert.deepEqual(found["workloadIdentityConfigs"], [{ workloadPool: "p.svc.id.goog" }]);
    assert.equal(found["enableAutopilot"], false);
  });

  it("fails for a cluster that is not there, naming it in full", () => {
    assert.throws(
      () => project.invoke(getCluster, { name: "other", location: "europe-west1" }, CONFIG),
      /projects\/p\/locations\/europe-west1\/clusters\/other not found/,
    );
  });

  it("refuses types and functions it does not model, by name", () => {
    assert.throws(() => project.invoke("gcp:storage/getBucket:getBucket", {}, CONFIG), /getBucket/);
    assert.throws(() => check("gcp:storage/bucket:Bucket", {}), /does not model resources of type gcp:storage\/bucket/);
  });
});

describe("InputReader", () => {
  it("reads through objects and lists, and takes unknowns for unset", () => {
    const reader = new InputReader({ a: [{ b: 1 }], c: UNKNOWN });
    assert.deepEqual([reader.get("a.0.b"), reader.get("a.1.b"), reader.get("c")], [1, undefined, undefined]);
    assert.deepEqual([reader.has("a.0.b"), reader.has("c"), reader.has("d")], [true, true, false]);
  });
});
