import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Addresses } from "../../lab/addresses";
import { SimulatedAgents } from "../../lab/agents";
import { PoolAutoscaler, type DeclaredPool } from "../../lab/autoscaler";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";
import { OverlapWatch } from "../../lab/overlap";
import { buildTemplate, jobOf, TOKEN_SECRET } from "../support/build-pods";
import { administrator } from "../support/control-plane";
import { until } from "../support/until";

const NAMESPACE = "lab-autoscaler-test";
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
const LABEL = "buildkite-scale-to-zero/pool";
/** 90 s of boot are 1.5 s, a minute without need is one second. */
const TIME_SCALE = 60;

function pool(maxNodes: number, more: Record<string, unknown> = {}): DeclaredPool {
  return {
    id: "p",
    name: "scaled",
    cluster: "projects/p/locations/us-central1/clusters/ci",
    location: "us-central1",
    inputs: {
      initialNodeCount: 0,
      autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: maxNodes, locationPolicy: "ANY" },
      nodeConfig: {
        machineType: "e2-standard-4",
        spot: true,
        labels: { [LABEL]: NAMESPACE },
        taints: [{ key: LABEL, value: NAMESPACE, effect: "NO_SCHEDULE" }],
      },
      ...more,
    },
  };
}

describe("the pool autoscaler", function () {
  this.timeout(120_000);

  let client: KubernetesClient;
  let buildkite: FakeBuildkite;
  let agents: SimulatedAgents;
  let watch: OverlapWatch;
  let autoscaler: PoolAutoscaler;
  let declared: DeclaredPool | undefined = pool(3);
  let highest = 0;
  // Two fit on a node of the machine type: 1.5 of 3.7 cores each.
  const template = buildTemplate(NAMESPACE, {
    nodeSelector: { [LABEL]: NAMESPACE, "cloud.google.com/gke-spot": "true" },
    tolerations: [{ key: LABEL, operator: "Equal", value: NAMESPACE, effect: "NoSchedule" }],
    resources: { agent: { cpu: "1", memory: "2Gi" }, dind: { cpu: "500m", memory: "2Gi" } },
  });
  const annotated = {
    ...template,
    template: {
      ...template.template,
      metadata: { annotations: { "cluster-autoscaler.kubernetes.io/safe-to-evict": "false" } },
    },
  };

  async function build(seconds: number): Promise<FakeJob> {
    const job = buildkite.schedule({ queue: "linux", seconds });
    await client.request("POST", JOBS, { body: jobOf(annotated, job) });
    return job;
  }

  const nodes = (): number => watch.counts().nodes;
  const empty = (): Promise<true> => until("the pool to be empty", () => (nodes() === 0 ? true : undefined), 30);
  const told = (kind: string): string[] =>
    autoscaler.events.filter((event) => event.kind === kind).map(({ message }) => message);

  before(async () => {
    client = await administrator();
    await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: NAMESPACE } } });
    const secret = { metadata: { name: TOKEN_SECRET }, stringData: { token: "token" } };
    await client.request("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, { body: secret });
    buildkite = new FakeBuildkite({ agentToken: "token", webhookSecret: "unused", seed: 2 });
    await buildkite.start();
    agents = new SimulatedAgents({
      client,
      buildkiteUrl: buildkite.url,
      namespaces: [NAMESPACE],
      timeScale: TIME_SCALE,
    });
    await agents.start();
    watch = new OverlapWatch({
      client,
      poolSelector: `${LABEL}=${NAMESPACE}`,
      onCount: (counts) => (highest = Math.max(highest, counts.nodes)),
    });
    await watch.start();
    autoscaler = new PoolAutoscaler({
      client,
      pool: () => declared,
      profile: "OPTIMIZE_UTILIZATION",
      timeScale: TIME_SCALE,
    });
    await autoscaler.start();
  });

  after(async () => {
    await autoscaler.stop();
    await agents.stop();
    await watch.stop();
    await buildkite.stop();
    await client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
    assert.deepEqual(told("failed"), []);
  });

  it("grows from zero to the maximum and not beyond, and returns to zero", async () => {
    highest = 0;
    const jobs = await Promise.all(Array.from({ length: 10 }, () => build(1.5)));
    await until("all builds to finish", () => jobs.every(({ result }) => result !== undefined) || undefined, 60);
    assert.equal(highest, 3);
    assert.equal(autoscaler.peakNodes, 3);
    assert.ok(jobs.every(({ starts }) => starts === 1));
    await empty();
    assert.equal(watch.peakNodes, 3);
    const acquired = jobs.map(({ acquiredAt, scheduledAt }) => (acquiredAt ?? 0) - scheduledAt);
    assert.ok(Math.min(...acquired) >= 1_500, "a build began before a node could have booted");
  });

  it("tells pods' readers what it did", async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}/events`;
    const { items } = await client.request<{ items: { reason: string; message: string }[] }>("GET", path);
    const of = (reason: string): string[] => items.filter((one) => one.reason === reason).map(({ message }) => message);
    // In no order: on a busy machine the pool may grow in steps.
    assert.ok(of("TriggeredScaleUp").some((message) => /scaled 0->\d \(max: 3\)/.test(message)));
    assert.ok(of("NotTriggerScaleUp").some((message) => message.includes("max node group size reached")));
  });

  it("keeps a node while a build runs on it, however idle the node is otherwise", async () => {
    const long = await build(6);
    await until("the build to run", () => long.state === "running" || undefined);
    await sleep(4_000);
    assert.equal(nodes(), 1);
    assert.equal(long.state, "running");
    await until("the build to finish", () => long.result, 30);
    assert.equal(long.result?.signalReason, undefined);
    await empty();
  });

  it("uses another maximum as soon as it is declared, and leaves running pods alone", async () => {
    declared = pool(1);
    highest = 0;
    const jobs = await Promise.all(Array.from({ length: 6 }, () => build(3)));
    await until("a first build to run", () => jobs.some(({ state }) => state === "running") || undefined);
    await sleep(1_000);
    assert.equal(highest, 1);
    declared = pool(2);
    await until("all builds to finish", () => jobs.every(({ result }) => result !== undefined) || undefined, 60);
    assert.equal(highest, 2);
    assert.ok(jobs.every(({ result }) => result?.exitStatus === "0"));
    await empty();
  });

  it("adds no node for a pod that would not fit on one", async () => {
    const huge = buildTemplate(NAMESPACE, {
      nodeSelector: { [LABEL]: NAMESPACE },
      tolerations: [{ key: LABEL, operator: "Equal", value: NAMESPACE, effect: "NoSchedule" }],
      resources: { agent: { cpu: "4", memory: "2Gi" }, dind: { cpu: "500m", memory: "2Gi" } },
    });
    const job = buildkite.schedule({ queue: "linux", seconds: 0.1 });
    await client.request("POST", JOBS, { body: jobOf(huge, job) });
    await sleep(2_500);
    assert.equal(nodes(), 0);
    await client.request("DELETE", `${JOBS}/buildkite-${job.id}`, { query: { propagationPolicy: "Background" } });
  });

  it("adds no node for pods that do not tolerate the pool's taint", async () => {
    const intolerant = buildTemplate(NAMESPACE, { nodeSelector: { [LABEL]: NAMESPACE } });
    const job = buildkite.schedule({ queue: "linux", seconds: 0.1 });
    await client.request("POST", JOBS, { body: jobOf(intolerant, job) });
    await sleep(2_500);
    assert.equal(nodes(), 0);
    await client.request("DELETE", `${JOBS}/buildkite-${job.id}`, { query: { propagationPolicy: "Background" } });
  });

  it("drains and removes a pool's nodes when the pool goes, ending the builds on them whatever a budget says", async () => {
    const spec = { minAvailable: 1_000_000, selector: {} };
    await client.request("POST", `/apis/policy/v1/namespaces/${NAMESPACE}/poddisruptionbudgets`, {
      body: { apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "never" }, spec },
    });
    const job = await build(60);
    await until("the build to run", () => job.state === "running" || undefined);
    declared = undefined;
    await empty();
    assert.equal(job.result?.signalReason, "agent_stop");
    await until("the end of the pool to be told", () => told("pool-gone").length === 1 || undefined);
  });

  it("starts a pool with the initial size it declares and keeps its minimum", async () => {
    declared = pool(9, { initialNodeCount: 1, autoscaling: { totalMinNodeCount: 2, totalMaxNodeCount: 9 } });
    // A region has three zones, and the initial size counts for each: why the program declares 0.
    await until("three nodes", () => nodes() === 3 || undefined);
    await until("the one above the minimum to go", () => nodes() === 2 || undefined);
    await sleep(2_500);
    assert.equal(nodes(), 2);
    await autoscaler.removePool("scaled");
    assert.equal(nodes(), 0);
    declared = undefined;
  });
});

describe("the stand-in for load balancers", () => {
  it("gives Services of type LoadBalancer and Ingresses an address, and others none", async () => {
    const client = await administrator();
    const namespace = "lab-addresses-test";
    const services = `/api/v1/namespaces/${namespace}/services`;
    const ingresses = `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`;
    await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
    const addresses = new Addresses(client);
    await addresses.start();
    try {
      const ports = [{ port: 80 }];
      await client.request("POST", services, { body: { metadata: { name: "inside" }, spec: { ports } } });
      const outside = { metadata: { name: "outside" }, spec: { type: "LoadBalancer", ports } };
      await client.request("POST", services, { body: outside });
      const backend = { service: { name: "inside", port: { number: 80 } } };
      await client.request("POST", ingresses, {
        body: { metadata: { name: "web" }, spec: { defaultBackend: backend } },
      });
      interface Exposed {
        status: { loadBalancer?: { ingress?: { ip: string }[] } };
      }
      const ip = async (path: string): Promise<string | undefined> =>
        (await client.request<Exposed>("GET", path)).status.loadBalancer?.ingress?.[0]?.ip;
      const first = await until("the Service's address", () => ip(`${services}/outside`));
      const second = await until("the Ingress's address", () => ip(`${ingresses}/web`));
      assert.match(first, /^203\.0\.113\.\d+$/);
      assert.notEqual(first, second);
      assert.equal(await ip(`${services}/inside`), undefined);
    } finally {
      await addresses.stop();
      await client.request("DELETE", `/api/v1/namespaces/${namespace}`);
    }
  });
});
