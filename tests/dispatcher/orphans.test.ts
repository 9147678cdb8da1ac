import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { jobName } from "../../components/contract";
import { DispatcherBench, type LocalDispatcher } from "../support/dispatchers";
import { until } from "../support/until";
import { FaultProxy } from "../../lab/fault-proxy";
import { deliver, scheduledBody } from "../support/webhooks";

describe("no pod outlives its Job", () => {
  let bench: DispatcherBench;
  let proxy: FaultProxy;
  let dispatcher: LocalDispatcher;

  before(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("orphans");
    proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
    dispatcher = await bench.start({ server: proxy.url, patience: { orphansIntervalMs: 200 } });
  });

  after(async () => {
    await bench.remove();
    await proxy.stop();
  });

  async function started(): Promise<{ uuid: string; pod: string; uid: string; job: string }> {
    const uuid = randomUUID();
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    const pod = await until("a pod", async () => (await bench.pods(uuid))[0]);
    const job = `${bench.agents.jobsPath}/${jobName(uuid)}`;
    return { uuid, pod: pod.metadata.name, uid: pod.metadata.uid, job };
  }

  it("deletes a pod whose Job was deleted without it, naming the pod's uid", async () => {
    const { pod, uid, job } = await started();
    await bench.client.request("DELETE", job, { body: { propagationPolicy: "Orphan" } });
    await until("the pod is gone", async () => (await bench.find(`${bench.agents.podsPath}/${pod}`)) === undefined);
    const [options] = proxy.bodies.filter(({ method }) => method === "DELETE").map(({ body }) => body);
    assert.deepEqual((options as { preconditions: unknown }).preconditions, { uid });
    assert.ok(dispatcher.log.some((line) => line.event === "orphaned pod deleted" && line["pod"] === pod));
  });

  it("makes the next Job of the build only once that pod is gone, and leaves the next one's pod alone", async () => {
    const { uuid, pod, job } = await started();
    await bench.client.request("DELETE", job, { body: { propagationPolicy: "Orphan" } });
    await until("the Job is gone", async () => (await bench.job(uuid)) === undefined);
    const delivered = deliver(dispatcher.url, scheduledBody({ uuid }));
    await until("the next Job", async () => (await bench.job(uuid)) !== undefined);
    assert.equal(await bench.find(`${bench.agents.podsPath}/${pod}`), undefined, "the build had two pods");
    await delivered;
    await sleep(1000);
    const live = (await bench.pods(uuid)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    assert.equal(live.length, 1);
  });

  it("leaves pods alone whose Job is there, whatever the watch says of it", async () => {
    const { uuid, pod } = await started();
    // The dispatcher's own sight of Jobs is gone, as after a long gap in the watch; a live read still shows them.
    proxy.onRequest = ({ method, path }) => {
      if (method !== "GET" || !/\/jobs\?/.test(path)) {
        return "pass";
      }
      const nothing = { metadata: { resourceVersion: "1" }, items: [] };
      return path.includes("watch=true") ? { status: 503 } : { status: 200, body: nothing };
    };
    const blind = await bench.start({ server: proxy.url, patience: { orphansIntervalMs: 100 } });
    proxy.seen.length = 0;
    const asked = new RegExp(`/jobs/${jobName(uuid)}$`);
    await until("the Job was asked for", () => proxy.count("GET", asked) > 1);
    proxy.onRequest = () => "pass";
    assert.ok(await bench.find(`${bench.agents.podsPath}/${pod}`));
    assert.ok(!blind.log.some((line) => line["pod"] === pod));
  });

  it("leaves pods alone that are not ours", async () => {
    const body = {
      metadata: { name: "theirs", labels: { "buildkite.com/job-uuid": randomUUID() } },
      spec: { containers: [{ name: "c", image: "registry.example/x:1" }] },
    };
    await bench.client.request("POST", bench.agents.podsPath, { body });
    await sleep(1000);
    assert.ok(await bench.find(`${bench.agents.podsPath}/theirs`));
  });
});
