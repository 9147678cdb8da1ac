import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { ATTEMPT_ANNOTATION, jobName } from "../../components/contract";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";
import { DispatcherBench, type LocalDispatcher, type ReconcileWith } from "../support/dispatchers";
import { FaultProxy, type Fault } from "../../lab/fault-proxy";
import { until } from "../support/until";
import { deliver, scheduledBody, SECRET, send } from "../support/webhooks";

const TOKEN = "bkct_of_the_reconcile_tests";

const PATIENCE = { canceledIntervalMs: 300, leftoverMs: 2000, buildkiteLongestWaitMs: 1500 };

describe("reconciling with Buildkite", () => {
  let bench: DispatcherBench;
  let fake: FakeBuildkite;

  beforeEach(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("reconcile");
    fake = new FakeBuildkite({ agentToken: TOKEN, webhookSecret: SECRET, seed: 7, queues: ["k8s"] });
    await fake.start();
  });

  afterEach(async () => {
    await bench.remove();
    await fake.stop();
    assert.deepEqual(fake.violations(), [], "the real API would have refused this");
  });

  const at = (more: Partial<ReconcileWith> = {}): ReconcileWith => ({
    ...{ endpoint: `${fake.url}/v3`, tokens: [TOKEN], inFlight: 10 },
    ...more,
  });
  const start = (more: Partial<ReconcileWith> = {}): Promise<LocalDispatcher> =>
    bench.start({ reconcile: at(more), patience: PATIENCE });
  const schedule = (count: number, more: object = {}): FakeJob[] =>
    Array.from({ length: count }, () => fake.schedule({ queue: "k8s", ...more }));
  const webhookOf = (job: FakeJob): Buffer => scheduledBody({ uuid: job.id });
  const names = async (): Promise<string[]> => (await bench.jobs()).map(({ metadata }) => metadata.name).sort();
  const namesOf = (jobs: readonly FakeJob[]): string[] => jobs.map(({ id }) => jobName(id)).sort();
  const buildkiteStatus = async ({ operationsUrl }: LocalDispatcher): Promise<Record<string, unknown>> =>
    (JSON.parse((await send(`${operationsUrl}/status`)).text) as { buildkite: Record<string, unknown> }).buildkite;
  /** The build runs and ends as an agent would say it. */
  const finish = async (job: FakeJob): Promise<void> => {
    // A build that is over before its agent has started is one that was canceled: its Job would go.
    await bench.startAgent(job.id);
    job.state = "finished";
    await bench.finishJob(job.id);
  };

  it("heals a lost webhook: the job gets its Job, once", async () => {
    const [before] = schedule(1);
    const dispatcher = await start();
    const [after] = schedule(1);
    assert.ok(before && after);
    await bench.settledJob(dispatcher, before.id, "created");
    await bench.settledJob(dispatcher, after.id, "created");
    await sleep(2500);
    assert.deepEqual(await names(), namesOf([before, after]));
    const text = (await send(`${dispatcher.operationsUrl}/metrics`)).text;
    assert.match(text, /^buildkite_dispatcher_waiting_at_buildkite\{queue="k8s"\} 0$/m);
    assert.match(text, /^buildkite_dispatcher_jobs_total\{queue="k8s",outcome="created"\} 2$/m);
    assert.doesNotMatch(text, /^buildkite_dispatcher_webhook_to_job_seconds_count/m);
    assert.equal((await buildkiteStatus(dispatcher))["api"], "ok");
  });

  it("two replicas that find the same jobs at once make one Job for each", async () => {
    const jobs = schedule(8);
    const both = await Promise.all([start(), start()]);
    await until("all Jobs", async () => (await bench.jobs()).length === 8);
    // Each again, as webhooks, to both.
    await Promise.all(both.flatMap(({ url }) => jobs.map((job) => deliver(url, webhookOf(job)))));
    assert.deepEqual(await names(), namesOf(jobs));
    const decisions = both.flatMap(({ log }) => log.map(({ decision }) => decision));
    assert.equal(decisions.filter((decision) => decision === "created").length, 8);
    for (const job of jobs) {
      assert.equal((await until("a pod", async () => (await bench.pods(job.id))[0] && bench.pods(job.id))).length, 1);
    }
  });

  it("a restart loses nothing: neither what was held nor what never arrived", async () => {
    const proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
    try {
      const first = await bench.start({ server: proxy.url, reconcile: at(), patience: { finishMs: 200 } });
      proxy.onRequest = ({ method }) => (method === "POST" ? "cut-before" : "pass");
      const held = schedule(5);
      const replies = await Promise.all(held.map((job) => deliver(first.url, webhookOf(job))));
      // Held, or left at Buildkite where the loop has listed them before their webhooks came.
      assert.ok(replies.every(({ status }) => status === 202 || status === 200));
      await first.stop();
      assert.deepEqual(await names(), []);
      const unheard = schedule(2);
      await start();
      await until("all Jobs", async () => (await bench.jobs()).length === 7);
      assert.deepEqual(await names(), namesOf([...held, ...unheard]));
    } finally {
      await proxy.stop();
    }
  });

  it("a webhook that finds the buffer full makes the next list come early", async () => {
    const proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
    try {
      const reconcile = at({ intervalSeconds: 60 });
      const dispatcher = await bench.start({ server: proxy.url, reconcile, limits: { bufferSize: 1, inFlight: 10 } });
      await until("the first list", async () =>
        (await send(`${dispatcher.operationsUrl}/metrics`)).text.includes("buildkite_dispatcher_waiting_at_buildkite{"),
      );
      let isHeld = true;
      proxy.onRequest = async ({ method }): Promise<Fault> => {
        await until("released", () => method !== "POST" || !isHeld);
        return "pass";
      };
      const [first, second] = [...schedule(1), ...schedule(1)];
      assert.ok(first && second);
      const answer = deliver(dispatcher.url, webhookOf(first));
      await until("its create", () => proxy.count("POST", /\/jobs/) === 1);
      assert.equal((await deliver(dispatcher.url, webhookOf(second))).status, 503);
      isHeld = false;
      assert.equal((await answer).outcome, "created");
      // Long before the interval is over.
      await bench.settledJob(dispatcher, second.id, "created");
    } finally {
      await proxy.stop();
    }
  });

  it("respects the cap: by priority, then by age; webhooks do not overtake, and each end lets in the next", async () => {
    const [first] = schedule(1);
    await sleep(20);
    const [second, third] = [...schedule(1), ...schedule(1, { priority: 5 })];
    assert.ok(first && second && third);
    const dispatcher = await start({ inFlight: 1 });
    await bench.settledJob(dispatcher, third.id, "created");
    const [fourth] = schedule(1);
    assert.ok(fourth);
    const reply = await deliver(dispatcher.url, webhookOf(fourth));
    assert.deepEqual([reply.status, reply.outcome], [200, "deferred"]);
    await sleep(1500);
    assert.deepEqual(await names(), namesOf([third]));
    for (const [ended, next] of [
      [third, first],
      [first, second],
      [second, fourth],
    ] as const) {
      await finish(ended);
      await bench.settledJob(dispatcher, next.id, "created");
      const live = (await bench.jobs()).filter(({ status }) => status.conditions === undefined);
      assert.deepEqual(
        live.map(({ metadata }) => metadata.name),
        [jobName(next.id)],
      );
    }
  });

  it("a webhook makes it quick where there is room", async () => {
    const dispatcher = await start({ intervalSeconds: 60 });
    await until("the first list", async () => typeof (await buildkiteStatus(dispatcher))["lastListAt"] === "string");
    const [job] = schedule(1);
    assert.ok(job);
    assert.equal((await deliver(dispatcher.url, webhookOf(job))).outcome, "created");
  });

  it("replaces a finished Job only when Buildkite says that the job is scheduled", async () => {
    const dispatcher = await start({ intervalSeconds: 60 });
    const [job] = schedule(1);
    assert.ok(job);
    const later = scheduledBody({ uuid: job.id, runnableAt: new Date(Date.now() + 60_000) });
    await deliver(dispatcher.url, webhookOf(job));
    await finish(job);
    assert.equal((await deliver(dispatcher.url, later)).outcome, "late_repeat", "whatever the webhook's time says");
    job.state = "scheduled";
    const old = scheduledBody({ uuid: job.id, runnableAt: new Date(Date.now() - 60_000) });
    await deliver(dispatcher.url, old);
    const second = await bench.settledJob(dispatcher, job.id, "replaced");
    assert.equal(second.metadata.annotations?.[ATTEMPT_ANNOTATION], "2");
  });

  it("leaves a webhook's job to the loop when Buildkite cannot be asked about its finished Job", async () => {
    const dispatcher = await start();
    const [job] = schedule(1);
    assert.ok(job);
    await bench.settledJob(dispatcher, job.id, "created");
    await bench.finishJob(job.id);
    await fake.setFaults({ outage: "unavailable" });
    await deliver(dispatcher.url, webhookOf(job));
    await until("it is left", () => dispatcher.log.some((line) => line["decision"] === "deferred"));
    await fake.setFaults({ outage: "none" });
    await bench.settledJob(dispatcher, job.id, "replaced");
  });

  it("a job canceled while its pod is pending loses its Job", async () => {
    const dispatcher = await start();
    const [job, other] = schedule(2);
    assert.ok(job && other);
    await bench.settledJob(dispatcher, job.id, "created");
    await bench.settledJob(dispatcher, other.id, "created");
    fake.cancel(job.id);
    await until("its Job is gone", async () => (await bench.job(job.id)) === undefined);
    assert.deepEqual(await bench.pods(job.id), []);
    assert.deepEqual(await names(), namesOf([other]));
    assert.ok(dispatcher.log.some((line) => line.event === "Job deleted" && line["when"] === "before_start"));
  });

  it("a job canceled while its agent runs is left to the agent; what is left after the grace goes", async () => {
    const dispatcher = await start();
    const [job] = schedule(1);
    assert.ok(job);
    await bench.settledJob(dispatcher, job.id, "created");
    await bench.startAgent(job.id);
    job.state = "running";
    fake.cancel(job.id);
    const canceledAt = performance.now();
    await until("its Job is gone", async () => {
      const found = await bench.job(job.id);
      return found === undefined || found.metadata.deletionTimestamp !== undefined;
    });
    assert.ok(performance.now() - canceledAt > 2900, "within its grace period of 1 s, and 2 s");
    assert.ok(dispatcher.log.some((line) => line.event === "Job deleted" && line["when"] === "left_over"));
  });

  it("a paused queue gets no Jobs, by list or webhook, until it is resumed", async () => {
    await fake.setFaults({ pausedQueues: ["k8s"] });
    const [job] = schedule(1);
    assert.ok(job);
    const dispatcher = await start();
    await until("the pause is known", async () => {
      const metrics = (await send(`${dispatcher.operationsUrl}/metrics`)).text;
      return /^buildkite_dispatcher_queue_paused\{queue="k8s"\} 1$/m.test(metrics);
    });
    assert.equal((await deliver(dispatcher.url, webhookOf(job))).outcome, "deferred");
    await sleep(1500);
    assert.deepEqual(await names(), []);
    await fake.setFaults({ pausedQueues: [] });
    await bench.settledJob(dispatcher, job.id, "created");
  });

  it("a stack that Buildkite has forgotten is registered again", async () => {
    const dispatcher = await start();
    await until("the first list", async () => typeof (await buildkiteStatus(dispatcher))["lastListAt"] === "string");
    fake.forgetStacks();
    const [job] = schedule(1);
    assert.ok(job);
    await bench.settledJob(dispatcher, job.id, "created");
  });

  it("a storm of 429 is sat out, and Buildkite is not asked more often for it", async () => {
    const dispatcher = await start();
    await until("the first list", async () => typeof (await buildkiteStatus(dispatcher))["lastListAt"] === "string");
    await fake.setFaults({ tooManyRequests: true, retryAfterSeconds: 1 });
    const before = fake.stackCalls.total;
    const [job, heard] = schedule(2);
    assert.ok(job && heard);
    assert.equal((await deliver(dispatcher.url, webhookOf(heard))).outcome, "created", "webhooks go on");
    await sleep(3000);
    assert.ok(fake.stackCalls.total - before <= 6, `${fake.stackCalls.total - before} calls in 3 s of "wait a second"`);
    await fake.setFaults({ tooManyRequests: false });
    await bench.settledJob(dispatcher, job.id, "created");
  });

  it("a revoked token is said once, clearly; webhooks go on up to the cap; a good one heals it", async () => {
    const tokens = [TOKEN];
    const dispatcher = await start({ tokens, inFlight: 1 });
    await until("the first list", async () => typeof (await buildkiteStatus(dispatcher))["lastListAt"] === "string");
    await fake.setFaults({ tokenRevoked: true });
    await until("it is noticed", async () => (await buildkiteStatus(dispatcher))["api"] === "token_refused");
    const [heard, unheard] = schedule(2);
    assert.ok(heard && unheard);
    assert.equal((await deliver(dispatcher.url, webhookOf(heard))).outcome, "created");
    assert.equal((await deliver(dispatcher.url, webhookOf(unheard))).outcome, "deferred");
    assert.match(
      (await send(`${dispatcher.operationsUrl}/metrics`)).text,
      /^buildkite_dispatcher_buildkite_token_refused 1$/m,
    );
    await finish(heard);
    await fake.setFaults({ tokenRevoked: false });
    await bench.settledJob(dispatcher, unheard.id, "created");
    assert.equal(dispatcher.log.filter(({ event }) => event === "Buildkite refuses the agent token").length, 1);
    assert.ok(!JSON.stringify(dispatcher.log).includes(TOKEN), "the token is in the log");
  });
});
