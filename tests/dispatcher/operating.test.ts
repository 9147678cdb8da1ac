import assert from "node:assert/strict";
import type { Patience } from "../../dispatcher/patience";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";
import { DispatcherBench, type LocalDispatcher } from "../support/dispatchers";
import { until } from "../support/until";
import { SECRET } from "../support/webhooks";

const TOKEN = "bkct_of_the_operating_tests";
const PATIENCE: Partial<Patience> = {
  canceledIntervalMs: 200,
  agentLostMs: 500,
  podlessIntervalMs: 200,
  refusalLimitMs: 1000,
  longWaitsIntervalMs: 200,
  longWaitMs: 1500,
};

describe("what a person is told", () => {
  let bench: DispatcherBench;
  let fake: FakeBuildkite;

  beforeEach(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("operating");
    fake = new FakeBuildkite({ agentToken: TOKEN, webhookSecret: SECRET, seed: 9, queues: ["k8s"] });
    await fake.start();
  });

  afterEach(async () => {
    await bench.remove();
    await fake.stop();
    assert.deepEqual(fake.violations(), [], "the real API would have refused this");
  });

  const start = (patience: Partial<Patience> = {}): Promise<LocalDispatcher> =>
    bench.start({
      reconcile: { endpoint: `${fake.url}/v3`, tokens: [TOKEN], inFlight: 10 },
      patience: { ...PATIENCE, ...patience },
    });
  const podOf = (job: FakeJob): Promise<string> =>
    until(`the pod of ${job.id}`, async () => (await bench.pods(job.id))[0]?.metadata.name);
  const line = (dispatcher: LocalDispatcher, event: string): Promise<Record<string, unknown>> =>
    until(`the line ${event}`, () => dispatcher.log.find((one) => one.event === event));

  /** The kernel kills the agent, as a kubelet would say it. */
  async function kill(pod: string): Promise<void> {
    const agent = { name: "agent", image: "a", imageID: "a", ready: false, restartCount: 0 };
    const [startedAt, finishedAt] = [60_000, 0].map((ago) => new Date(Date.now() - ago).toISOString());
    const terminated = { exitCode: 137, reason: "OOMKilled", startedAt, finishedAt };
    await bench.patch(`${bench.agents.podsPath}/${pod}/status`, {
      status: { phase: "Failed", containerStatuses: [{ ...agent, state: { terminated } }] },
    });
  }

  for (const finishAfterAcquire of ["accept", "refuse"] as const) {
    it(`of an agent that was lost, where Buildkite's answer to a finish is to ${finishAfterAcquire} it`, async () => {
      await fake.setFaults({ finishAfterAcquire });
      const [lost, sound] = [fake.schedule({ queue: "k8s" }), fake.schedule({ queue: "k8s" })];
      const dispatcher = await start();
      const pod = await podOf(lost);
      await podOf(sound);
      await bench.startAgent(lost.id);
      await bench.startAgent(sound.id);
      fake.take(lost.id);
      fake.take(sound.id);
      await kill(pod);
      const told = await until("the word", () => lost.stackFinish ?? lost.notifications[0]);
      assert.match(told.detail, /^The build's agent was lost: it ran out of memory .*\(OOMKilled\)/);
      assert.equal(lost.state, finishAfterAcquire === "accept" ? "finished" : "accepted");
      assert.equal(sound.state, "accepted");
      const reported = finishAfterAcquire === "accept" ? "finished" : "noted";
      assert.equal((await line(dispatcher, "agent lost"))["reported"], reported);
      const story = await line(dispatcher, "job ended");
      assert.equal(story["uuid"], lost.id);
      assert.deepEqual(
        [story["source"], story["outcome"], story["why"], story["podReason"], story["exitCode"]],
        ["reconcile", "failed", "PodFailurePolicy", "OOMKilled", 137],
      );
      assert.equal(story["secondsOfAgent"], 60);
      const metrics = await (await fetch(`${dispatcher.operationsUrl}/metrics`)).text();
      const counts = metrics.matchAll(/^buildkite_dispatcher_jobs_total\{.*\} (\d+)$/gm);
      const counted = [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
      const decisions = dispatcher.log.filter(({ event }) => event === "job");
      assert.equal(counted, decisions.length, "a decision is counted twice, or not at all");
      const given = `buildkite_dispatcher_given_up_total{queue="k8s",cause="agent_lost",reported="${reported}"} 1`;
      assert.ok(metrics.includes(given), metrics);
    });
  }

  it("of a policy that refuses the pod and not the Job", async () => {
    await bench.patch(`/api/v1/namespaces/${bench.agents.namespace}`, {
      metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    const job = fake.schedule({ queue: "k8s" });
    const dispatcher = await start();
    await until("the end", () => job.state === "finished");
    assert.match(job.stackFinish?.detail ?? "", /^Kubernetes refuses the build's pod: .*violates PodSecurity/);
    assert.equal((await line(dispatcher, "pod could not start"))["cause"], "FailedCreate");
    assert.match(String((await line(dispatcher, "job ended"))["why"]), /violates PodSecurity/);
    assert.equal(await bench.job(job.id), undefined);
  });

  it("of a quota that is full for the pod: a note, and the build waits on until there is room", async () => {
    const quota = `/api/v1/namespaces/${bench.agents.namespace}/resourcequotas`;
    const body = { metadata: { name: "pods" }, spec: { hard: { pods: "0" } } };
    await bench.client.request("POST", quota, { body });
    await until("the quota's first count", async () => {
      const found = await bench.find<{ status?: { used?: object } }>(`${quota}/pods`);
      return found?.status?.used !== undefined;
    });
    const job = fake.schedule({ queue: "k8s" });
    await start();
    const note = await until("the note", () => job.notifications[0]);
    assert.match(note.detail, /^Waiting .* goes on\. The quota of its namespace is full: .*exceeded quota/);
    assert.equal(job.state, "scheduled");
    await bench.client.request("DELETE", `${quota}/pods`);
    await podOf(job);
  });

  it("of the autoscaler, about a pod that has waited for long: one note for each cause, by one replica", async () => {
    const job = fake.schedule({ queue: "k8s" });
    await Promise.all([start(), start()]);
    const pod = await podOf(job);
    const [{ metadata } = assert.fail()] = await bench.pods(job.id);
    const { namespace } = bench.agents;
    const message = "pod didn't trigger scale-up: 1 max node group size reached";
    for (let count = 0; count < 3; count++) {
      await bench.client.request("POST", `/api/v1/namespaces/${namespace}/events`, {
        body: {
          metadata: { name: `${pod}.${count}` },
          involvedObject: { kind: "Pod", namespace, name: pod, uid: metadata.uid },
          ...{ reason: "NotTriggerScaleUp", type: "Normal", message, source: { component: "cluster-autoscaler" } },
          ...{ firstTimestamp: new Date().toISOString(), lastTimestamp: new Date().toISOString(), count: 1 },
        },
      });
    }
    const ours = () => job.notifications.filter(({ detail }) => detail.includes("NotTriggerScaleUp"));
    await until("the note", () => ours().length > 0);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(ours().length, 1);
    assert.match(ours()[0]?.detail ?? "", /No node is added now \(NotTriggerScaleUp\): pod didn't trigger/);
    assert.equal(job.state, "scheduled");
  });

  it("of nothing while all is well; of a template that is gone, and of Buildkite away, by /status and the metric", async () => {
    const dispatcher = await start({ troublesIntervalMs: 200 });
    const troubles = async (): Promise<string[]> => {
      const answer = await fetch(`${dispatcher.operationsUrl}/status`);
      const status = (await answer.json()) as { troubles: { part: string; cause: string; fix: string }[] };
      return status.troubles.map(({ part, cause }) => `${part} ${cause}`);
    };
    assert.deepEqual(await troubles(), []);
    await fake.setFaults({ outage: "unavailable" });
    await bench.client.request("DELETE", bench.agents.templatePath);
    await until("both", async () => {
      const found = await troubles();
      return found.includes("template missing") && found.includes("buildkite unavailable");
    });
    const metrics = await (await fetch(`${dispatcher.operationsUrl}/metrics`)).text();
    assert.match(metrics, /^buildkite_dispatcher_trouble\{part="template",cause="missing"\} 1$/m);
    assert.equal((await fetch(`${dispatcher.operationsUrl}/readyz`)).status, 200, "readiness is a local matter");
    await fake.setFaults({ outage: "none" });
  });
});
