import assert from "node:assert/strict";
import type { PodTemplateObject } from "../../components";
import { JOB_UUID, jobName } from "../../components/contract";
import { type KubernetesClient, KubernetesError } from "../../dispatcher/kubernetes/client";
import { SimulatedAgents } from "../../lab/agents";
import { type BuildRequest, FakeBuildkite, type FakeJob } from "../../lab/buildkite";
import type { Pod } from "../../lab/kubelet/pod";
import { OverlapWatch } from "../../lab/overlap";
import { buildTemplate, jobOf, kwokNode, TOKEN_SECRET } from "../support/build-pods";
import { administrator } from "../support/control-plane";
import { until } from "../support/until";

const NAMESPACE = "lab-agents-test";
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
const SECRETS = `/api/v1/namespaces/${NAMESPACE}/secrets`;
const PLACE = {
  nodeSelector: { pool: NAMESPACE },
  tolerations: [{ key: "pool", operator: "Equal" as const, value: NAMESPACE, effect: "NoSchedule" as const }],
};

describe("the simulated agents", function () {
  this.timeout(120_000);

  let client: KubernetesClient;
  let buildkite: FakeBuildkite;
  let agents: SimulatedAgents;
  let overlap: OverlapWatch;
  const problems: unknown[] = [];
  const template = buildTemplate(NAMESPACE, PLACE);

  async function putToken(token: string): Promise<void> {
    const body = { metadata: { name: TOKEN_SECRET }, stringData: { token } };
    await client.request("DELETE", `${SECRETS}/${TOKEN_SECRET}`).catch(() => undefined);
    await client.request("POST", SECRETS, { body });
  }

  async function start(build: Partial<BuildRequest> = {}, from: PodTemplateObject = template): Promise<FakeJob> {
    const job = buildkite.schedule({ queue: "linux", seconds: 0.3, ...build });
    await client.request("POST", JOBS, { body: jobOf(from, job), query: { fieldValidation: "Strict" } });
    return job;
  }

  async function podOf(job: FakeJob): Promise<Pod | undefined> {
    const query = { labelSelector: `${JOB_UUID}=${job.id}` };
    return (await client.request<{ items: Pod[] }>("GET", PODS, { query })).items[0];
  }

  function ended(job: FakeJob): Promise<Pod> {
    return until(`the pod of ${job.id} to end`, async () => {
      const pod = await podOf(job);
      return pod?.status?.phase === "Succeeded" || pod?.status?.phase === "Failed" ? pod : undefined;
    });
  }

  function agentCode(pod: Pod): number | undefined {
    return pod.status?.containerStatuses?.find(({ name }) => name === "agent")?.state?.terminated?.exitCode;
  }

  before(async () => {
    client = await administrator();
    await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: NAMESPACE } } });
    await kwokNode(client, `${NAMESPACE}-node`, NAMESPACE);
    buildkite = new FakeBuildkite({ agentToken: "token-1", webhookSecret: "unused", seed: 1 });
    await buildkite.start();
    await putToken("token-1");
    overlap = new OverlapWatch({ client, poolSelector: `pool=${NAMESPACE}`, graceMs: 1_000 });
    await overlap.start();
    agents = new SimulatedAgents({
      client,
      buildkiteUrl: buildkite.url,
      namespaces: [NAMESPACE],
      timeScale: 10,
      onError: (error) => problems.push(error),
    });
    await agents.start();
  });

  after(async () => {
    await agents.stop();
    await overlap.stop();
    await buildkite.stop();
    await client.request("DELETE", `/api/v1/nodes/${NAMESPACE}-node`);
    await client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
    assert.deepEqual(problems, []);
    assert.deepEqual(buildkite.violations(), []);
    assert.equal(overlap.gaps, 0);
    assert.deepEqual(overlap.outliving, []);
  });

  it("run a pod's build once and leave the pod as a kubelet would", async () => {
    const job = await start();
    const pod = await ended(job);
    assert.equal(pod.status?.phase, "Succeeded");
    assert.equal(agentCode(pod), 0);
    const dind = pod.status.initContainerStatuses?.find(({ name }) => name === "dind");
    assert.equal(dind?.state?.terminated?.exitCode, 0);
    assert.equal(job.state, "finished");
    assert.equal(job.result?.exitStatus, "0");
    assert.equal(job.starts, 1);
    await until("the count of its runs", () => agents.runs.get(job.id) === 1 || undefined);
    assert.match(job.chunks.get(1)?.toString() ?? "", /sleep 0\.3/);
    assert.ok((job.finishedAt ?? 0) - (job.startedAt ?? 0) >= 290, "shorter than the build");
    await until("the Job to be complete", async () => {
      const path = `${JOBS}/${jobName(job.id)}`;
      const { status } = await client.request<{ status: { conditions?: { type: string }[] } }>("GET", path);
      return status.conditions?.some(({ type }) => type === "Complete");
    });
    assert.equal(overlap.podsPerJob.get(job.id), 1);
    assert.ok(!overlap.overlapping.has(job.id));
  });

  it("exit 0 after a build that failed: the result is at Buildkite, not in the pod", async () => {
    const job = await start({ exitStatus: 3 });
    assert.equal(agentCode(await ended(job)), 0);
    assert.equal(job.result?.exitStatus, "3");
  });

  it("exit 27 when the job is gone, and count the pod as wasted", async () => {
    const before = agents.wastedPods;
    const job = buildkite.schedule({ queue: "linux", seconds: 1 });
    buildkite.cancel(job.id);
    await client.request("POST", JOBS, { body: jobOf(template, job) });
    const pod = await ended(job);
    assert.equal(pod.status?.phase, "Failed");
    assert.equal(agentCode(pod), 27);
    await until("the count", () => agents.wastedPods === before + 1 || undefined);
    assert.equal(job.starts, 0);
  });

  it("wait for a limited job with the acquire lock until it is released", async () => {
    const job = buildkite.schedule({ queue: "linux", seconds: 0.1, state: "limited" });
    await client.request("POST", JOBS, { body: jobOf(template, job) });
    await until("the pod to run", async () => (await podOf(job))?.status?.phase === "Running" || undefined);
    buildkite.release(job.id);
    assert.equal(agentCode(await ended(job)), 0);
    assert.equal(job.result?.exitStatus, "0");
  });

  it("end a running build at once when its pod is deleted, and tell Buildkite why", async () => {
    const job = await start({ seconds: 60 });
    await until("the build to run", () => job.state === "running" || undefined);
    const pod = await podOf(job);
    const began = Date.now();
    await client.request("DELETE", `${PODS}/${pod?.metadata.name ?? ""}`);
    await until("the pod to go", async () => ((await podOf(job)) === undefined ? true : undefined));
    assert.ok(Date.now() - began < 10_000, "it took longer than 10 s");
    assert.equal(job.result?.exitStatus, "-1");
    assert.equal(job.result.signalReason, "agent_stop");
  });

  it("cancel a running build when a person cancels it", async () => {
    const job = await start({ seconds: 60 });
    await until("the build to run", () => job.state === "running" || undefined);
    buildkite.cancel(job.id);
    assert.equal(agentCode(await ended(job)), 0);
    assert.equal(job.result?.signalReason, "cancel");
    assert.equal(job.state, "canceled");
  });

  it("finish the build first when the pod has no preStop hook, as a plain agent does after SIGTERM", async () => {
    const plain = structuredClone(template) as { template: { spec: { containers: { lifecycle?: unknown }[] } } };
    delete plain.template.spec.containers[0]?.lifecycle;
    const job = await start({ seconds: 3 }, plain as unknown as PodTemplateObject);
    await until("the build to run", () => job.state === "running" || undefined);
    await client.request("DELETE", `${PODS}/${(await podOf(job))?.metadata.name ?? ""}`);
    const result = await until("the build to finish", () => job.result);
    assert.equal(result.exitStatus, "0");
  });

  it("stay as CreateContainerConfigError while the token's Secret is missing, and start once it is there", async () => {
    await client.request("DELETE", `${SECRETS}/${TOKEN_SECRET}`);
    const job = await start();
    const pod = await until("the pod to wait", async () => {
      const one = await podOf(job);
      return one?.status?.containerStatuses?.[0]?.state?.waiting === undefined ? undefined : one;
    });
    assert.equal(pod.status?.phase, "Pending");
    const waiting = pod.status.containerStatuses?.[0]?.state?.waiting;
    assert.equal(waiting?.reason, "CreateContainerConfigError");
    assert.equal(waiting.message, `secret "${TOKEN_SECRET}" not found`);
    await putToken("token-1");
    assert.equal(agentCode(await ended(job)), 0);
    assert.equal(job.result?.exitStatus, "0");
  });

  it("exit 1 with a token that was rotated away, and run with the new one", async () => {
    buildkite.rotateAgentToken("token-2");
    const refused = await start();
    assert.equal(agentCode(await ended(refused)), 1);
    await putToken("token-2");
    const served = await start();
    assert.equal(agentCode(await ended(served)), 0);
    assert.equal(served.result?.exitStatus, "0");
  });

  it("are killed at the pod's own deadline", async () => {
    const short = buildTemplate(NAMESPACE, { ...PLACE, timeoutSeconds: 60 });
    const spec = short.template.spec as { activeDeadlineSeconds: number };
    spec.activeDeadlineSeconds = 1;
    const job = await start({ seconds: 60 }, short);
    const pod = await ended(job);
    assert.equal((pod.status as { reason?: string }).reason, "DeadlineExceeded");
    assert.equal(job.result?.signalReason, "agent_stop");
  });

  it("take any job of their queue in queue mode, and leave after one or when there is none", async () => {
    const shared = buildTemplate(NAMESPACE, { ...PLACE, agentMode: "queue", queue: "shared", templateName: "shared" });
    const capacity = buildkite.schedule({ queue: "shared", seconds: 0.1 });
    const other = buildkite.schedule({ queue: "another", seconds: 0.1 });
    await client.request("POST", JOBS, { body: jobOf(shared, capacity) });
    await ended(capacity);
    assert.equal(capacity.result?.exitStatus, "0");
    const idle = buildkite.schedule({ queue: "shared", seconds: 0.1, state: "waiting" });
    await client.request("POST", JOBS, { body: jobOf(shared, idle) });
    assert.equal(agentCode(await ended(idle)), 0);
    assert.equal(idle.state, "waiting");
    assert.equal(other.state, "scheduled");
  });

  it("run forty builds at once, each exactly once", async () => {
    const before = agents.runs.size;
    const jobs = await Promise.all(Array.from({ length: 40 }, () => start({ seconds: 0.5 })));
    await Promise.all(jobs.map(ended));
    assert.ok(jobs.every((job) => job.starts === 1 && job.result?.exitStatus === "0"));
    assert.equal(agents.runs.size, before + 40);
    assert.ok(jobs.every(({ id }) => overlap.podsPerJob.get(id) === 1));
  });

  it("leave alone a pod on a node that kwok does not play", async () => {
    const job = buildkite.schedule({ queue: "linux", seconds: 0.1 });
    const manifest = jobOf(buildTemplate(NAMESPACE), job);
    const labels = manifest.metadata.labels;
    const body = {
      metadata: { name: "elsewhere", labels, annotations: { [JOB_UUID]: job.id } },
      spec: { nodeName: "no-such-node", containers: [{ name: "agent", image: "x" }] },
    };
    try {
      await client.request("POST", PODS, { body });
      const status = { phase: "Running" };
      const contentType = "application/merge-patch+json";
      await client.request("PATCH", `${PODS}/elsewhere/status`, { contentType, body: { status } });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      assert.equal(job.state, "scheduled");
    } catch (error) {
      assert.ok(!(error instanceof KubernetesError), String(error));
      throw error;
    } finally {
      await client.request("DELETE", `${PODS}/elsewhere`, { query: { gracePeriodSeconds: 0 } }).catch(() => undefined);
    }
  });
});
