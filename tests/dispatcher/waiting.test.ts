import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { ACTIVE_DEADLINE_ANNOTATION, jobName } from "../../components/contract";
import { stamp } from "../../components/stamp";
import { DispatcherBench } from "../support/dispatchers";
import { until } from "../support/until";
import { FaultProxy, type Fault } from "../../lab/fault-proxy";
import { deliver, scheduledBody, send } from "../support/webhooks";

const REFUSAL = {
  kind: "Status",
  status: "Failure",
  code: 422,
  reason: "Invalid",
  message: "jobs.batch is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not the template's",
};

describe("waiting", () => {
  let bench: DispatcherBench;
  let proxy: FaultProxy;

  beforeEach(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("waiting");
    proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
  });

  afterEach(async () => {
    await bench.remove();
    await proxy.stop();
  });

  it("a full Job quota means wait: the Job is made once another is gone", async () => {
    const quotas = `/api/v1/namespaces/${bench.agents.namespace}/resourcequotas`;
    await bench.client.request("POST", quotas, {
      body: { metadata: { name: "jobs" }, spec: { hard: { "count/jobs.batch": "1" } } },
    });
    await until("the quota's first count", async () => {
      const quota = await bench.find<{ status: { hard?: Record<string, string> } }>(`${quotas}/jobs`);
      return quota?.status.hard?.["count/jobs.batch"] === "1";
    });
    const dispatcher = await bench.start();
    const [first, second] = [randomUUID(), randomUUID()];
    assert.equal((await deliver(dispatcher.url, scheduledBody({ uuid: first }))).outcome, "created");
    assert.equal((await deliver(dispatcher.url, scheduledBody({ uuid: second }))).status, 202);
    const status = JSON.parse((await send(`${dispatcher.operationsUrl}/status`)).text) as {
      held: { waitingFor: Record<string, number> };
    };
    assert.deepEqual(status.held.waitingFor, { quota: 1 });
    const name = `${bench.agents.jobsPath}/${jobName(first)}`;
    await bench.client.request("DELETE", name, { body: { propagationPolicy: "Background" } });
    await bench.settledJob(dispatcher, second, "created");
  });

  it("a policy that refuses for a moment after a change is waited for, and the fresh template is stamped", async () => {
    // The watch does not hear of the change: only a live read can know it.
    proxy.onRequest = ({ path }) => (/podtemplates.*watch/.test(path) ? { status: 503 } : "pass");
    const dispatcher = await bench.start({ server: proxy.url });
    const uuid = randomUUID();
    const refusesUntil = Date.now() + 1500;
    proxy.onRequest = ({ method, path }) =>
      /podtemplates.*watch/.test(path)
        ? { status: 503 }
        : method === "POST" && path.includes("/jobs") && Date.now() < refusesUntil
          ? { status: 422, body: REFUSAL }
          : "pass";
    const reply = deliver(dispatcher.url, scheduledBody({ uuid }));
    await until("a first refusal", () => proxy.count("POST", /\/jobs/) > 0);
    await bench.patch(bench.agents.templatePath, {
      metadata: { annotations: { [ACTIVE_DEADLINE_ANNOTATION]: "4242" } },
    });
    await reply;
    const job = await bench.settledJob(dispatcher, uuid, "created");
    assert.equal(job.spec["activeDeadlineSeconds"], 4242);
    assert.ok(proxy.count("GET", /podtemplates\/k8s/) > 0, "the template was not read anew");
  });

  it("a refusal that stays is reported after its time, with what the API server says", async () => {
    const dispatcher = await bench.start({ server: proxy.url, patience: { refusalLimitMs: 500 } });
    const uuid = randomUUID();
    proxy.onRequest = ({ method, path }) =>
      method === "POST" && path.includes("/jobs") ? { status: 422, body: REFUSAL } : "pass";
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    const line = await until("the report", () =>
      dispatcher.log.find((one) => one["uuid"] === uuid && one["decision"] === "refused"),
    );
    assert.match(String(line["why"]), /ValidatingAdmissionPolicy 'p'/);
    assert.equal(line["level"], "error");
    assert.equal(await bench.job(uuid), undefined);
  });

  it("a template that is not there yet is waited for", async () => {
    const dispatcher = await bench.start();
    const { namespace, template, templatePath } = bench.agents;
    await bench.client.request("DELETE", templatePath);
    await until("the watch has heard of it", () => dispatcher.log.some((line) => line["change"] === "deleted"));
    const uuid = randomUUID();
    const reply = deliver(dispatcher.url, scheduledBody({ uuid }));
    await until("it waits", () => dispatcher.log.some((line) => line["cause"] === "refusal"));
    const { name, annotations } = template.metadata;
    await bench.client.request("POST", `/api/v1/namespaces/${namespace}/podtemplates`, {
      body: { metadata: { name, annotations }, template: template.template },
    });
    await reply;
    await bench.settledJob(dispatcher, uuid, "created");
  });

  it("an API server that asks for a pause is given one", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const times: number[] = [];
    proxy.onRequest = ({ method, path }) => {
      if (method === "POST" && path.includes("/jobs")) {
        times.push(performance.now());
        return times.length === 1 ? { status: 429, headers: { "retry-after": "1" } } : "pass";
      }
      return "pass";
    };
    const reply = await deliver(dispatcher.url, scheduledBody());
    assert.equal(reply.outcome, "created");
    assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 1000);
  });

  it("an API server that is away, or only answers 500, costs no acknowledged job", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    let away = true;
    proxy.onRequest = ({ method }) => (away && method === "POST" ? { status: 500 } : away ? "cut-before" : "pass");
    const uuids = Array.from({ length: 30 }, () => randomUUID());
    const replies = await Promise.all(uuids.map((uuid) => deliver(dispatcher.url, scheduledBody({ uuid }))));
    assert.deepEqual([...new Set(replies.map(({ status }) => status))], [202]);
    assert.equal((await send(`${dispatcher.url}/readyz`)).status, 200, "readiness is local");
    away = false;
    await Promise.all(uuids.map((uuid) => bench.settledJob(dispatcher, uuid, "created")));
  });

  it("a full buffer is answered 503 with a hint, makes /readyz fail, and empties again", async () => {
    const dispatcher = await bench.start({ server: proxy.url, limits: { bufferSize: 3 } });
    let held = true;
    proxy.onRequest = async ({ method }): Promise<Fault> => {
      await until("released", () => method !== "POST" || !held);
      return "pass";
    };
    const uuids = Array.from({ length: 3 }, () => randomUUID());
    const replies = uuids.map((uuid) => deliver(dispatcher.url, scheduledBody({ uuid })));
    await until("three held", () => proxy.count("POST", /\/jobs/) === 3);
    const refused = await deliver(dispatcher.url, scheduledBody());
    assert.deepEqual([refused.status, refused.headers["retry-after"]], [503, "5"]);
    // One that is held already needs no place of its own.
    const again = deliver(dispatcher.url, scheduledBody({ uuid: uuids[0] ?? "" }));
    assert.equal((await send(`${dispatcher.url}/readyz`)).status, 503);
    held = false;
    assert.deepEqual(
      [...(await Promise.all(replies)), await again].map(({ outcome }) => outcome),
      [...Array.from({ length: 4 }, () => "created")],
    );
    assert.equal((await send(`${dispatcher.url}/readyz`)).status, 200);
  });

  it("creates no more than its bound at one time", async () => {
    const dispatcher = await bench.start({ server: proxy.url, limits: { createConcurrency: 4 } });
    let [now, most] = [0, 0];
    proxy.onRequest = async ({ method }): Promise<Fault> => {
      if (method === "POST") {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 20));
        now--;
      }
      return "pass";
    };
    const replies = await Promise.all(Array.from({ length: 40 }, () => deliver(dispatcher.url, scheduledBody())));
    assert.deepEqual([replies.filter(({ outcome }) => outcome === "created").length, most], [40, 4]);
  });

  it("a Job made by somebody else while ours waits is found", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const uuid = randomUUID();
    proxy.onRequest = () => "cut-before";
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid }));
    assert.equal(reply.status, 202);
    const body = stamp(bench.agents.template, { uuid, queue: "k8s", pipeline: "web" });
    await bench.client.request("POST", bench.agents.jobsPath, { body });
    proxy.onRequest = () => "pass";
    await bench.settledJob(dispatcher, uuid, "exists");
  });

  it("what is held when it stops is finished first", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const uuids = Array.from({ length: 10 }, () => randomUUID());
    proxy.onRequest = () => "cut-before";
    const replies = await Promise.all(uuids.map((uuid) => deliver(dispatcher.url, scheduledBody({ uuid }))));
    assert.deepEqual([...new Set(replies.map(({ status }) => status))], [202]);
    const stopped = dispatcher.stop();
    await until("it is stopping", () => dispatcher.log.some(({ event }) => event === "stopping"));
    proxy.onRequest = () => "pass";
    await stopped;
    assert.equal((await bench.jobs()).length, 10);
    assert.equal(dispatcher.log.at(-1)?.event, "stopped");
  });

  it("what cannot be finished when it stops is named, and it stops in time", async () => {
    const dispatcher = await bench.start({ server: proxy.url, patience: { finishMs: 500 } });
    const uuid = randomUUID();
    proxy.onRequest = () => "cut-before";
    assert.equal((await deliver(dispatcher.url, scheduledBody({ uuid }))).status, 202);
    const began = performance.now();
    await dispatcher.stop();
    assert.ok(performance.now() - began < 3000);
    const line = dispatcher.log.find((one) => one["uuid"] === uuid && one["decision"] === "lost");
    assert.equal(line?.["level"], "error");
  });
});
