import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ATTEMPT_ANNOTATION, jobName } from "../../components/contract";
import { stamp } from "../../components/stamp";
import { DispatcherBench } from "../support/dispatchers";
import { until } from "../support/until";
import { FaultProxy, type Fault } from "../../lab/fault-proxy";
import { deliver, scheduledBody } from "../support/webhooks";

const LATER = () => new Date(Date.now() + 60_000);

describe("races", () => {
  let bench: DispatcherBench;
  let proxy: FaultProxy;

  before(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("races");
    proxy = await FaultProxy.start(bench.controlPlane.adminKubeconfig);
  });

  after(async () => {
    await bench.remove();
    await proxy.stop();
  });

  afterEach(() => {
    proxy.onRequest = () => "pass";
  });

  it("many requests at one time are no leak: Node warns of none", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on("warning", onWarning);
    try {
      const { url } = await bench.start({ server: proxy.url });
      proxy.onRequest = async (): Promise<Fault> => {
        await sleep(200);
        return "pass";
      };
      await Promise.all(Array.from({ length: 40 }, () => deliver(url, scheduledBody({ uuid: randomUUID() }))));
    } finally {
      process.off("warning", onWarning);
    }
    assert.deepEqual(
      warnings.filter(({ name }) => name === "MaxListenersExceededWarning"),
      [],
    );
  });

  it("two replicas that replace one finished Job at once make one Job, never two pods", async () => {
    const [one, two] = await Promise.all([bench.start({ server: proxy.url }), bench.start()]);
    const uuids = Array.from({ length: 5 }, () => randomUUID());
    await Promise.all(uuids.map((uuid) => deliver(one.url, scheduledBody({ uuid }))));
    await Promise.all(uuids.map((uuid) => bench.finishJob(uuid)));
    // The slower one judges the same Job, and sends its DELETE after the other has put the next Job there.
    const released = new Set<string>();
    proxy.onRequest = async ({ method, path }): Promise<Fault> => {
      const uuid = uuids.find((candidate) => path.includes(candidate));
      if (method === "DELETE" && uuid !== undefined) {
        await until(`${uuid} released`, () => released.has(uuid));
      }
      return "pass";
    };
    const late = scheduledLater(uuids);
    const slow = Promise.all(late.map((body) => deliver(one.url, body)));
    await until("five DELETEs under way", () => proxy.count("DELETE", /jobs\/buildkite-/) === 5);
    await Promise.all(late.map((body) => deliver(two.url, body)));
    const replaced = await Promise.all(uuids.map((uuid) => bench.settledJob(two, uuid, "replaced")));
    uuids.forEach((uuid) => released.add(uuid));
    await slow;
    await until("both have decided", () => [one, two].every((dispatcher) => decided(dispatcher.log, uuids)));
    for (const [index, uuid] of uuids.entries()) {
      const job = await bench.job(uuid);
      assert.equal(job?.metadata.uid, replaced[index]?.metadata.uid, "the other replica's new Job was deleted");
      assert.equal(job?.metadata.deletionTimestamp, undefined);
      assert.equal(job?.metadata.annotations?.[ATTEMPT_ANNOTATION], "2");
      const pods = await until("one pod", async () => {
        const found = await bench.pods(uuid);
        return found.length > 0 && found;
      });
      assert.equal(pods.length, 1);
    }
  });

  it("the delete names the uid it judged, and takes the pods with it", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const uuid = randomUUID();
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    const judged = await bench.finishJob(uuid);
    proxy.bodies.length = 0;
    await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    await bench.settledJob(dispatcher, uuid, "replaced");
    const [options] = proxy.bodies.filter(({ method }) => method === "DELETE").map(({ body }) => body);
    assert.deepEqual(options, {
      apiVersion: "v1",
      kind: "DeleteOptions",
      preconditions: { uid: judged.metadata.uid },
      propagationPolicy: "Foreground",
    });
  });

  it("a terminating Job of the name is waited for, then the Job is made", async () => {
    const dispatcher = await bench.start();
    const uuid = randomUUID();
    const name = `${bench.agents.jobsPath}/${jobName(uuid)}`;
    await deliver(dispatcher.url, scheduledBody({ uuid }));
    const first = await bench.job(uuid);
    await bench.patch(name, { metadata: { finalizers: ["buildkite-scale-to-zero.test/hold"] } });
    await bench.client.request("DELETE", name, { body: { propagationPolicy: "Background" } });
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid }));
    assert.deepEqual([reply.status, reply.outcome], [202, "held"]);
    assert.equal((await bench.job(uuid))?.metadata.uid, first?.metadata.uid);
    await bench.patch(name, { metadata: { finalizers: null } });
    // Not by the decision's log line: the first Job has one, too.
    const second = await until("another Job of the name", async () => {
      const job = await bench.job(uuid);
      return job?.metadata.uid === first?.metadata.uid ? undefined : job;
    });
    // It was never finished, so this is no further attempt.
    assert.equal(second.metadata.annotations?.[ATTEMPT_ANNOTATION], "1");
  });

  it("a finished Job on its way out is a late repeat too", async () => {
    const dispatcher = await bench.start();
    const uuid = randomUUID();
    const name = `${bench.agents.jobsPath}/${jobName(uuid)}`;
    const body = scheduledBody({ uuid, runnableAt: new Date(Date.now() - 60_000) });
    await deliver(dispatcher.url, body);
    await bench.finishJob(uuid);
    await bench.patch(name, { metadata: { finalizers: ["buildkite-scale-to-zero.test/hold"] } });
    await bench.client.request("DELETE", name, { body: { propagationPolicy: "Background" } });
    assert.equal((await deliver(dispatcher.url, body)).outcome, "late_repeat");
    await bench.patch(name, { metadata: { finalizers: null } });
  });

  it("a create whose answer is lost ends with the Job it made, and no second one", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const uuid = randomUUID();
    let cut = false;
    proxy.onRequest = ({ method, path }) => {
      const hit = !cut && method === "POST" && path.includes("/jobs");
      cut ||= hit;
      return hit ? "cut-after" : "pass";
    };
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid }));
    assert.deepEqual([cut, reply.status, reply.outcome], [true, 200, "exists"]);
    assert.equal((await bench.jobs()).filter(({ metadata }) => metadata.name.includes(uuid)).length, 1);
  });

  it("a create that never reached the API server is sent again", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const uuid = randomUUID();
    let cuts = 0;
    proxy.onRequest = ({ method, path }) =>
      method === "POST" && path.includes("/jobs") && ++cuts <= 2 ? "cut-before" : "pass";
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid }));
    assert.deepEqual([cuts, reply.status, reply.outcome], [3, 200, "created"]);
  });

  it("a webhook that comes while an older one of its job is held counts with its own time", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const uuid = randomUUID();
    const old = scheduledBody({ uuid, runnableAt: new Date(Date.now() - 60_000) });
    await deliver(dispatcher.url, old);
    await bench.finishJob(uuid);
    let held = true;
    const read = new RegExp(`/jobs/${jobName(uuid)}$`);
    const reads = proxy.count("GET", read);
    proxy.onRequest = async ({ path }): Promise<Fault> => {
      await until("released", () => !read.test(path) || !held);
      return "pass";
    };
    const repeat = deliver(dispatcher.url, old);
    await until("the repeat is held", () => proxy.count("GET", read) > reads);
    const anew = deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    // It has joined as soon as its connection is served; nothing tells of it but the outcome.
    await sleep(300);
    held = false;
    await Promise.all([repeat, anew]);
    await bench.settledJob(dispatcher, uuid, "replaced");
  });

  it("a Job that another replica made in between counts as made", async () => {
    const dispatcher = await bench.start({ server: proxy.url });
    const uuid = randomUUID();
    let raced = false;
    proxy.onRequest = async ({ method, path }): Promise<Fault> => {
      if (!raced && method === "POST" && path.includes("/jobs")) {
        raced = true;
        const body = stamp(bench.agents.template, { uuid, queue: "k8s", pipeline: "web" });
        await bench.client.request("POST", bench.agents.jobsPath, { body });
      }
      return "pass";
    };
    const reply = await deliver(dispatcher.url, scheduledBody({ uuid, runnableAt: LATER() }));
    assert.deepEqual([raced, reply.status, reply.outcome], [true, 200, "exists"]);
  });
});

function scheduledLater(uuids: readonly string[]): Buffer[] {
  return uuids.map((uuid) => scheduledBody({ uuid, runnableAt: LATER() }));
}

/** Whether the second decision of every job is in the log. */
function decided(log: readonly Readonly<Record<string, unknown>>[], uuids: readonly string[]): boolean {
  const outcomes = new Set(["replaced", "exists"]);
  return uuids.every((uuid) => log.some((line) => line["uuid"] === uuid && outcomes.has(String(line["decision"]))));
}
