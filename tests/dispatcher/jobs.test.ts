import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { ATTEMPT_ANNOTATION, jobName } from "../../components/contract";
import { stamp } from "../../components/stamp";
import { DispatcherBench, type LocalDispatcher } from "../support/dispatchers";
import { deliver, scheduledBody } from "../support/webhooks";

const LATER = () => new Date(Date.now() + 60_000);
const BEFORE = () => new Date(Date.now() - 60_000);

describe("a Job per scheduled job", () => {
  let bench: DispatcherBench;
  let dispatcher: LocalDispatcher;

  before(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("jobs");
    dispatcher = await bench.start();
  });

  after(() => bench.remove());

  it("creates the Job that stamp makes of the PodTemplate, and answers 200", async () => {
    const uuid = randomUUID();
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid }));
    assert.deepEqual([reply.status, reply.outcome], [200, "created"]);
    const job = await bench.job(uuid);
    const buildUrl = "https://buildkite.com/acme-inc/web/builds/123#01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";
    const expected = stamp(bench.agents.template, { uuid, queue: "k8s", pipeline: "web", buildUrl });
    assert.equal(job?.metadata.name, jobName(uuid));
    assert.deepEqual(job.metadata.annotations, expected.metadata.annotations);
    for (const [label, value] of Object.entries(expected.metadata.labels)) {
      assert.equal(job.metadata.labels?.[label], value);
    }
    const podOf = (spec: Readonly<Record<string, unknown>>) => (spec["template"] as { spec: unknown }).spec;
    assert.deepEqual(podOf(job.spec), podOf(expected.spec));
  });

  it("makes one Job of one webhook that comes ten times at once", async () => {
    const uuid = randomUUID();
    const body = scheduledBody({ uuid });
    const replies = await Promise.all(Array.from({ length: 10 }, () => deliver(dispatcher.url, body)));
    assert.deepEqual([...new Set(replies.map(({ status }) => status))], [200]);
    assert.equal((await bench.jobs()).filter(({ metadata }) => metadata.name.includes(uuid)).length, 1);
  });

  it("leaves a live Job as it is when its webhook comes again, however late it became runnable", async () => {
    const uuid = randomUUID();
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    const first = await bench.job(uuid);
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    assert.deepEqual([reply.status, reply.outcome], [200, "exists"]);
    const jobs = (await bench.jobs()).filter(({ metadata }) => metadata.labels?.["buildkite.com/job-uuid"] === uuid);
    assert.deepEqual(
      jobs.map(({ metadata }) => metadata.uid),
      [first?.metadata.uid],
    );
  });

  it("starts nothing when a webhook is repeated after its build has finished", async () => {
    const uuid = randomUUID();
    const body = scheduledBody({ uuid, runnableAt: BEFORE() });
    await deliver(dispatcher.url, body);
    const finished = await bench.finishJob(uuid);
    const reply = await deliver(dispatcher.url, body);
    assert.deepEqual([reply.status, reply.outcome], [200, "late_repeat"]);
    assert.equal((await bench.job(uuid))?.metadata.uid, finished.metadata.uid);
  });

  it("starts nothing for a finished build when the webhook does not say since when it is runnable", async () => {
    const uuid = randomUUID();
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    await bench.finishJob(uuid, "Failed");
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: null }));
    assert.equal(reply.outcome, "late_repeat");
  });

  it("replaces a finished Job that became runnable again, with attempt 2, and its pod with it", async () => {
    const uuid = randomUUID();
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    const first = await bench.finishJob(uuid);
    const [firstPod] = await bench.pods(uuid);
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    assert.ok([200, 202].includes(reply.status));
    const second = await bench.settledJob(dispatcher, uuid, "replaced");
    assert.notEqual(second.metadata.uid, first.metadata.uid);
    assert.equal(second.metadata.annotations?.[ATTEMPT_ANNOTATION], "2");
    const uids = (await bench.pods(uuid)).map(({ metadata }) => metadata.uid);
    assert.ok(!uids.includes(firstPod?.metadata.uid ?? ""), "the first Job's pod is still there");
  });

  it("stops after the third attempt, and says so", async () => {
    const uuid = randomUUID();
    const manifest = stamp(bench.agents.template, { uuid, queue: "k8s", pipeline: "web" }, 3);
    await bench.client.request("POST", bench.agents.jobsPath, { body: manifest });
    const third = await bench.finishJob(uuid, "Failed");
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    assert.deepEqual([reply.status, reply.outcome], [200, "exhausted"]);
    assert.equal((await bench.job(uuid))?.metadata.uid, third.metadata.uid);
    const line = dispatcher.log.find((one) => one["uuid"] === uuid && one["decision"] === "exhausted");
    assert.equal(line?.["level"], "error");
  });

  it("waits from the predecessor's end before it makes the next", async function () {
    this.timeout(30_000);
    const patient = await bench.start({ patience: { firstRetryWaitMs: 4000 } });
    const uuid = randomUUID();
    await deliver(patient.url, scheduledBody({ uuid }));
    const first = await bench.finishJob(uuid);
    const reply = await deliver(patient.url, scheduledBody({ uuid, runnableAt: LATER() }));
    assert.deepEqual([reply.status, reply.outcome], [202, "held"]);
    assert.equal((await bench.job(uuid))?.metadata.uid, first.metadata.uid);
    const second = await bench.settledJob(patient, uuid, "replaced");
    const created = Date.parse(second.metadata.creationTimestamp ?? "");
    assert.ok(created - Date.parse(first.status.completionTime ?? "") >= 4000);
  });

  it("touches nothing of somebody else's Job of that name, and says so", async () => {
    const uuid = randomUUID();
    const { metadata, ...rest } = stamp(bench.agents.template, { uuid, queue: "k8s", pipeline: "web" });
    const labels = { ...metadata.labels, "app.kubernetes.io/managed-by": "somebody-else" };
    await bench.client.request("POST", bench.agents.jobsPath, { body: { ...rest, metadata: { ...metadata, labels } } });
    const before = await bench.job(uuid);
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    assert.deepEqual([reply.status, reply.outcome], [409, "foreign"]);
    const after = await bench.job(uuid);
    assert.equal(after?.metadata.uid, before?.metadata.uid);
    assert.equal(after?.metadata.deletionTimestamp, undefined);
    assert.ok(dispatcher.log.some((line) => line["uuid"] === uuid && line["level"] === "error"));
  });

  it("touches nothing of a Job of ours that was made for another build", async () => {
    const uuid = randomUUID();
    const manifest = stamp(bench.agents.template, { uuid: randomUUID(), queue: "k8s", pipeline: "web" });
    const body = { ...manifest, metadata: { ...manifest.metadata, name: jobName(uuid) } };
    await bench.client.request("POST", bench.agents.jobsPath, { body });
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    assert.equal(reply.outcome, "foreign");
    assert.equal((await bench.job(uuid))?.metadata.deletionTimestamp, undefined);
  });

  it("writes one line per decision, and nothing of the payload", async () => {
    const uuid = randomUUID();
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    const lines = dispatcher.log.filter((line) => line["uuid"] === uuid);
    assert.deepEqual(
      lines.map(({ event, decision }) => [event, decision]),
      [["job", "created"]],
    );
    const text = JSON.stringify(dispatcher.log);
    for (const secret of ["SECRET-INBOUND-TRIGGER-TOKEN", "DEPLOY_ENV", "keith@example.com", "docker compose run"]) {
      assert.ok(!text.includes(secret), `${secret} is in the log`);
    }
  });
});
