import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { ACTIVE_DEADLINE_ANNOTATION, ATTEMPT_ANNOTATION } from "../../components/contract";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";
import type { Patience } from "../../dispatcher/patience";
import { DispatcherBench, type LocalDispatcher, type StartOptions } from "../support/dispatchers";
import { FaultProxy, type Fault } from "../../lab/fault-proxy";
import { until } from "../support/until";
import { SECRET } from "../support/webhooks";

const TOKEN = "bkct_of_the_given_up_tests";
const PATIENCE: Partial<Patience> = { canceledIntervalMs: 300, startFailuresIntervalMs: 200, startGraceMs: 1000 };

describe("jobs that are given up", () => {
  let bench: DispatcherBench;
  let fake: FakeBuildkite;

  beforeEach(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("given-up");
    fake = new FakeBuildkite({ agentToken: TOKEN, webhookSecret: SECRET, seed: 8, queues: ["k8s"] });
    await fake.start();
  });

  afterEach(async () => {
    await bench.remove();
    await fake.stop();
    assert.deepEqual(fake.violations(), [], "the real API would have refused this");
  });

  const start = (more: StartOptions = {}): Promise<LocalDispatcher> =>
    bench.start({
      reconcile: { endpoint: `${fake.url}/v3`, tokens: [TOKEN], inFlight: 10 },
      ...more,
      patience: { ...PATIENCE, ...more.patience },
    });
  const pod = (job: FakeJob): Promise<string> =>
    until(`the pod of ${job.id}`, async () => (await bench.pods(job.id))[0]?.metadata.name);

  /** Puts the pod on a node without a kubelet. */
  async function bind(name: string): Promise<void> {
    const node = { name: `${bench.agents.namespace}-node` };
    await bench.client.request("POST", "/api/v1/nodes", { body: { metadata: node } }).catch(() => undefined);
    await bench.client.request("POST", `${bench.agents.podsPath}/${name}/binding`, {
      body: { apiVersion: "v1", kind: "Binding", metadata: { name }, target: { kind: "Node", name: node.name } },
    });
  }

  /** Puts the pod on a node, and says what its kubelet would. */
  async function stick(name: string, reason: string, message: string): Promise<void> {
    await bind(name);
    const agent = { name: "agent", image: "registry.example/agent:1", imageID: "", ready: false, restartCount: 0 };
    await bench.patch(`${bench.agents.podsPath}/${name}/status`, {
      status: { containerStatuses: [{ ...agent, state: { waiting: { reason, message } } }] },
    });
  }

  it("a pod that finds no node in its time: its Job is made anew, as often as that takes, and is no attempt", async () => {
    await bench.patch(bench.agents.templatePath, {
      metadata: { annotations: { [ACTIVE_DEADLINE_ANNOTATION]: "602" } },
      template: { spec: { activeDeadlineSeconds: 600 } },
    });
    const job = fake.schedule({ queue: "k8s" });
    const both = await Promise.all([start(), start()]);
    const uids = new Set<string>();
    await until("its third Job", async () => {
      const found = await bench.job(job.id);
      if (found !== undefined) {
        uids.add(found.metadata.uid);
        assert.equal(found.metadata.annotations?.[ATTEMPT_ANNOTATION], "1");
      }
      return uids.size >= 3;
    });
    const reasons = both.flatMap(({ log }) => log).filter((line) => line.event === "Job deleted");
    assert.ok(reasons.length >= 2 && reasons.every((line) => line["when"] === "no_node"));
    assert.equal(job.state, "scheduled");
  });

  it("a pod that has a node may take its Job's whole time", async () => {
    await bench.patch(bench.agents.templatePath, {
      metadata: { annotations: { [ACTIVE_DEADLINE_ANNOTATION]: "601" } },
      template: { spec: { activeDeadlineSeconds: 600 } },
    });
    const job = fake.schedule({ queue: "k8s" });
    await start();
    const name = await pod(job);
    await stick(name, "ContainerCreating", "");
    const uid = (await bench.job(job.id))?.metadata.uid;
    await sleep(3000);
    assert.equal((await bench.job(job.id))?.metadata.uid, uid);
    await bench.client.request("DELETE", `/api/v1/nodes/${bench.agents.namespace}-node`);
  });

  it("a pod that gets its node just as it is to be taken back: it and its Job stay", async () => {
    await bench.patch(bench.agents.templatePath, {
      metadata: { annotations: { [ACTIVE_DEADLINE_ANNOTATION]: "601" } },
      template: { spec: { activeDeadlineSeconds: 600 } },
    });
    const proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
    try {
      const deleted: string[] = [];
      proxy.onRequest = async ({ method, path }): Promise<Fault> => {
        const name = new RegExp(`^${bench.agents.podsPath}/([^/?]+)`).exec(path)?.[1];
        if (method === "DELETE" && name !== undefined) {
          // The scheduler is quicker by the length of one request.
          deleted.push(name);
          await bind(name);
        }
        return "pass";
      };
      const job = fake.schedule({ queue: "k8s" });
      await start({ server: proxy.url });
      const name = await pod(job);
      const uid = (await bench.job(job.id))?.metadata.uid;
      await until("its deletion to be tried", () => deleted.length > 0);
      await sleep(2000);
      assert.deepEqual(deleted, [name]);
      assert.equal((await bench.job(job.id))?.metadata.uid, uid);
      assert.deepEqual(
        (await bench.pods(job.id)).map(({ metadata }) => [metadata.name, metadata.deletionTimestamp]),
        [[name, undefined]],
      );
      assert.equal(job.state, "scheduled");
    } finally {
      await proxy.stop();
      await bench.client.request("DELETE", `/api/v1/nodes/${bench.agents.namespace}-node`).catch(() => undefined);
    }
  });

  it("a pod that cannot start: deleted, gone, and only then finished at Buildkite, with the image and the cause", async () => {
    const [stuck, waiting] = [fake.schedule({ queue: "k8s" }), fake.schedule({ queue: "k8s" })];
    const both = await Promise.all([start(), start()]);
    const name = await pod(stuck);
    await pod(waiting);
    await stick(name, "ImagePullBackOff", "manifest unknown");
    const path = `${bench.agents.podsPath}/${name}`;
    await until("its deletion", async () => {
      const found = await bench.find<{ metadata: { deletionTimestamp?: string } }>(path);
      return found?.metadata.deletionTimestamp !== undefined;
    });
    await sleep(1500);
    assert.equal(stuck.state, "scheduled", "finished while its pod was still there");
    await bench.client.request("DELETE", path, { body: { gracePeriodSeconds: 0 } });
    await until("the report", () => stuck.state === "finished");
    const line = await until("the line", () =>
      both
        .flatMap(({ log }) => log)
        .find((one) => one.event === "pod could not start" && one["reported"] === "finished"),
    );
    assert.match(String(line["why"]), /image registry\.example\/agent:1 .* cannot be pulled .*: manifest unknown$/);
    await sleep(2500);
    assert.equal(await bench.job(stuck.id), undefined, "it was dispatched again");
    // No node for it is no fault, however long it takes.
    assert.equal(waiting.state, "scheduled");
    assert.equal((await bench.pods(waiting.id)).length, 1);
    await bench.client.request("DELETE", `/api/v1/nodes/${bench.agents.namespace}-node`);
  });

  it("a job whose third pod ended without an agent: finished at Buildkite, and no fourth", async () => {
    const job = fake.schedule({ queue: "k8s" });
    const dispatcher = await start();
    for (let attempt = 1; attempt <= 3; attempt++) {
      await until(`attempt ${attempt}`, async () => {
        const found = await bench.job(job.id);
        return found?.metadata.annotations?.["buildkite-scale-to-zero/attempt"] === String(attempt);
      });
      await bench.finishJob(job.id, "Failed");
    }
    await until("the report", () => job.state === "finished");
    const line = await until("the line", () => dispatcher.log.find(({ event }) => event === "job given up"));
    assert.match(String(line["cause"]), /^3 pods in a row ended before an agent took this job/);
    assert.equal((await bench.jobs()).length, 1);
  });

  it("a job whose Job is refused for good: finished at Buildkite, with the policy's words", async () => {
    const proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
    try {
      const message = "jobs is forbidden: ValidatingAdmissionPolicy 'p' denied request: not the template's";
      proxy.onRequest = ({ method, path }) =>
        method === "POST" && path.includes("/jobs")
          ? { status: 422, body: { kind: "Status", code: 422, reason: "Invalid", message } }
          : "pass";
      const job = fake.schedule({ queue: "k8s" });
      const dispatcher = await start({ server: proxy.url, patience: { refusalLimitMs: 500 } });
      await until("the report", () => job.state === "finished");
      const line = await until("the line", () => dispatcher.log.find(({ event }) => event === "job given up"));
      assert.match(String(line["cause"]), /^Kubernetes refuses the build's pod: .*ValidatingAdmissionPolicy 'p'/);
    } finally {
      await proxy.stop();
    }
  });
});
