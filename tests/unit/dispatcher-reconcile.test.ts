import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { jobName } from "../../components/contract";
import { BuildkiteHealth } from "../../dispatcher/buildkite/health";
import { Reconcile } from "../../dispatcher/buildkite/reconcile";
import type { ListedJob, ScheduledPage } from "../../dispatcher/buildkite/stacks-client";
import { StacksError } from "../../dispatcher/buildkite/stacks-error";
import { HeldJob } from "../../dispatcher/held-job";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import type { QueueRoute } from "../../dispatcher/settings";
import type { Outcome, Work } from "../../dispatcher/work";
import { until } from "../support/until";

const route = (key: string): QueueRoute => ({
  ...{ key, default: key === "k8s", tags: [`queue=${key}`], template: key, agentMode: "acquire" },
});
const QUEUES = [route("k8s"), route("gpu")];

/** What Buildkite says of a queue: pages, or an error. */
type Said = { jobs: ListedJob[][]; paused?: boolean; malformed?: number; afterMs?: number } | Error;

/** The loop with a Buildkite and a dispatch that a test plays. */
class Scene {
  readonly said = new Map<string, Said>();
  readonly lists: string[] = [];
  readonly submitted: Work[] = [];
  readonly live = new Set<string>();
  readonly held = new Map<string, { job: HeldJob; decide: (outcome: Outcome) => void }>();
  readonly log: Record<string, unknown>[] = [];
  readonly health = new BuildkiteHealth(createLog(() => undefined));
  readonly metrics = createMetrics("test");
  readonly reconcile: Reconcile;
  synced = true;
  loopShare = 10_000;
  stopped: string | undefined;
  /** Between a list's first page and its end. */
  delay: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(inFlight: number, intervalMs = 60_000) {
    const scene = this as Scene;
    this.reconcile = new Reconcile({
      client: {
        register: () => Promise.resolve(),
        listScheduledJobs: (key) => scene.pages(key),
      },
      queues: QUEUES,
      dispatch: {
        get heldCount() {
          return scene.held.size;
        },
        get loopShare() {
          return scene.loopShare;
        },
        held: () => Array.from(scene.held.values(), ({ job }) => job),
        holds: (uuid) => scene.held.has(uuid),
        submit: (work) => scene.submit(work),
      },
      jobs: {
        get synced() {
          return scene.synced;
        },
        isLive: (name) => scene.live.has(name),
        liveCount: () => scene.live.size,
      },
      metrics: this.metrics,
      log: createLog((line) => this.log.push(JSON.parse(line) as Record<string, unknown>)),
      isStopped: (key) => key === this.stopped,
      ...{ health: this.health, inFlight, intervalMs, longestWaitMs: 200, ready: Promise.resolve() },
    });
  }

  start(): void {
    this.#running = this.reconcile.run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Waits for the next list of every queue to be through. */
  async listed(): Promise<void> {
    const before = this.reconcile.listedAt;
    await until("a list", () => this.reconcile.listedAt > before);
    await sleep(5);
  }

  /** The job gets its live Job. */
  create(uuid: string): void {
    this.live.add(jobName(uuid));
    this.decide(uuid, "created");
  }

  decide(uuid: string, outcome: Outcome): void {
    this.held.get(uuid)?.decide(outcome);
    this.held.delete(uuid);
    this.reconcile.roomMade();
  }

  /** The live Job ends. */
  end(uuid: string): void {
    this.live.delete(jobName(uuid));
    this.reconcile.slotFreed();
  }

  get uuids(): string[] {
    return this.submitted.map(({ job }) => job.uuid);
  }

  private submit(work: Work): Promise<Outcome> {
    this.submitted.push(work);
    return new Promise((decide) => {
      this.held.set(work.job.uuid, { job: new HeldJob(work), decide });
    });
  }

  private async *pages(key: string): AsyncGenerator<ScheduledPage, void, void> {
    this.lists.push(key);
    const said = this.said.get(key) ?? { jobs: [[]] };
    await sleep(1);
    if (said instanceof Error) {
      throw said;
    }
    if (said.afterMs !== undefined) {
      await sleep(said.afterMs);
    }
    for (const jobs of said.jobs) {
      yield { jobs, malformed: said.malformed ?? 0, paused: said.paused ?? false };
    }
    await this.delay;
  }
}

function job(priority = 0, scheduledAt = 1000, rules = ["queue=k8s"]): ListedJob {
  return { uuid: randomUUID(), priority, scheduledAt, agentQueryRules: rules, pipeline: "web" };
}

describe("the reconcile loop", () => {
  let scene: Scene;

  afterEach(() => scene.stop());

  it("lists a queue at its ordinary pace though Buildkite does not know another one", async () => {
    scene = new Scene(10, 20);
    scene.said.set("gpu", new StacksError("GET", 404, "no such queue"));
    scene.start();
    await sleep(600);
    const lists = scene.lists.filter((key) => key === "k8s").length;
    // Backing off as in an outage it would be seven or so.
    assert.ok(lists >= 12, `${lists} lists of k8s`);
    assert.equal(scene.reconcile.listedAt, 0, "not every queue was listed");
  });

  it("backs off while Buildkite is away for one queue or all", async () => {
    scene = new Scene(10, 20);
    scene.said.set("gpu", new StacksError("GET", 503, "away"));
    scene.start();
    await sleep(600);
    assert.ok(scene.lists.filter((key) => key === "k8s").length <= 10, scene.lists.join(" "));
  });

  it("says once that listed jobs are not understood, and counts them", async () => {
    scene = new Scene(10, 20);
    scene.said.set("k8s", { jobs: [[job()]], malformed: 2 });
    scene.start();
    await until("three lists", () => scene.lists.length >= 6);
    const said = scene.log.filter(({ event }) => event === "listed jobs not understood");
    assert.deepEqual(
      said.map(({ queue, jobs }) => [queue, jobs]),
      [["k8s", 2]],
    );
    const text = await scene.metrics.registry.metrics();
    const counted = /webhooks_ignored_total\{cause="listed_malformed"\} (\d+)/.exec(text)?.[1];
    assert.ok(Number(counted) >= 4, `counted ${counted}`);
  });

  it("lists every queue at once and dispatches what has no Job", async () => {
    scene = new Scene(10);
    const [first, second, other, foreign] = [job(), job(), job(0, 0, ["queue=gpu"]), job(0, 0, ["queue=none"])];
    scene.live.add(jobName(second.uuid));
    scene.said.set("k8s", { jobs: [[first, foreign], [second]] }).set("gpu", { jobs: [[other]] });
    scene.start();
    await scene.listed();
    assert.deepEqual(scene.uuids, [other.uuid, first.uuid]);
    const { arrivedAt, ...work } = scene.submitted[1] ?? assert.fail();
    assert.ok(arrivedAt > 0);
    assert.deepEqual(work, {
      job: { uuid: first.uuid, queue: "k8s", pipeline: "web" },
      ...{ route: QUEUES[0], runnableAt: 1000, source: "reconcile" },
    });
    assert.deepEqual(scene.reconcile.view("k8s"), { paused: false, waiting: 0, oldestSeconds: 0, notServed: 1 });
  });

  it("fills its slots by priority over all queues, then by age; the rest waits at Buildkite", async () => {
    scene = new Scene(4);
    const old = job(0, 10);
    const young = job(0, 20);
    const urgent = job(5, 30, ["queue=gpu"]);
    const low = job(-1, 1);
    scene.live.add("another");
    scene.said.set("k8s", { jobs: [[low, young, old]] }).set("gpu", { jobs: [[urgent]] });
    scene.start();
    await scene.listed();
    assert.deepEqual(scene.uuids, [urgent.uuid, old.uuid, young.uuid]);
    assert.equal(scene.reconcile.view("k8s")?.waiting, 1);
    assert.equal(scene.reconcile.slots(), 0);
  });

  it("hands out the next as soon as a Job has ended, without another list", async () => {
    scene = new Scene(1);
    const [first, second, third] = [job(0, 1), job(0, 2), job(0, 3)];
    scene.said.set("k8s", { jobs: [[first, second, third]] });
    scene.start();
    await scene.listed();
    scene.create(first.uuid);
    scene.end(first.uuid);
    await until("the second", () => scene.submitted.length === 2);
    assert.deepEqual([scene.uuids[1], scene.lists.length], [second.uuid, 2]);
    scene.reconcile.slotFreed();
    await sleep(150);
    assert.equal(scene.submitted.length, 2, "the second has its slot");
  });

  it("lets no webhook overtake: not while a job of its queue waits, nor at a full cap, nor from a paused queue", async () => {
    scene = new Scene(2);
    assert.equal(scene.reconcile.defer("k8s"), undefined, "before the first list only the cap is known");
    scene.said.set("k8s", { jobs: [[job(), job(), job()]] }).set("gpu", { jobs: [[]], paused: true });
    scene.start();
    await scene.listed();
    assert.equal(scene.reconcile.defer("gpu"), "paused");
    assert.equal(scene.reconcile.defer("k8s"), "waiting");
    scene.uuids.forEach((uuid) => {
      scene.create(uuid);
    });
    scene.said.set("k8s", { jobs: [[]] }).set("gpu", { jobs: [[]] });
    scene.reconcile.tryAgain();
    await scene.listed();
    assert.equal(scene.reconcile.defer("gpu"), "cap");
    scene.live.clear();
    assert.equal(scene.reconcile.defer("gpu"), undefined);
    scene.synced = false;
    assert.equal(scene.reconcile.defer("gpu"), "starting");
  });

  it("counts what is held and what is live once", () => {
    scene = new Scene(3);
    const one = job();
    scene.held.set(one.uuid, {
      job: new HeldJob({
        ...{ job: { uuid: one.uuid, queue: "k8s", pipeline: "web" }, route: QUEUES[0] ?? assert.fail() },
        ...{ arrivedAt: 0, source: "webhook" },
      }),
      decide: () => undefined,
    });
    assert.equal(scene.reconcile.slots(), 2);
    scene.live.add(jobName(one.uuid));
    assert.equal(scene.reconcile.slots(), 2);
    scene.live.add("another").add("a third");
    assert.deepEqual([scene.reconcile.slots(), scene.reconcile.defer("k8s")], [0, "cap"]);
  });

  it("lists early for a webhook that was deferred, once there is a slot, at most once a second", async () => {
    scene = new Scene(1);
    scene.live.add("running");
    scene.start();
    await scene.listed();
    const deferred = [job(), job()];
    for (const [index, { uuid }] of deferred.entries()) {
      const began = performance.now();
      const lists = scene.lists.length;
      for (let webhook = 0; webhook < 20; webhook++) {
        assert.equal(scene.reconcile.defer("k8s"), "cap");
      }
      scene.said.set("k8s", { jobs: [deferred.slice(index, index + 1)] });
      await sleep(index === 0 ? 1200 : 100);
      assert.equal(scene.lists.length, lists, "there is no slot to fill");
      scene.live.clear();
      scene.reconcile.slotFreed();
      await until("the deferred job", () => scene.uuids.includes(uuid));
      const seconds = (performance.now() - began) / 1000;
      assert.ok(seconds > 0.9 && seconds < 2, `after ${seconds} s`);
      assert.equal(scene.lists.length, lists + 2);
      scene.create(uuid);
    }
  });

  it("leaves a paused queue alone, and goes on once it is resumed", async () => {
    scene = new Scene(5);
    const [held, free] = [job(9), job(0, 0, ["queue=gpu"])];
    scene.said.set("k8s", { jobs: [[held]], paused: true }).set("gpu", { jobs: [[free]] });
    scene.start();
    await scene.listed();
    assert.deepEqual(scene.uuids, [free.uuid]);
    const { oldestSeconds, ...view } = scene.reconcile.view("k8s") ?? assert.fail();
    assert.deepEqual(view, { paused: true, waiting: 1, notServed: 0 });
    assert.ok(oldestSeconds > 1e9, `since 1970, but ${oldestSeconds}`);
    scene.said.set("k8s", { jobs: [[held]] });
    scene.reconcile.tryAgain();
    await scene.listed();
    assert.deepEqual(scene.uuids, [free.uuid, held.uuid]);
  });

  it("knows the age of the oldest job without a Job, one tried in vain among them", async () => {
    scene = new Scene(1);
    const ago = (seconds: number): number => Date.now() - seconds * 1000;
    const [live, taken, next, vain] = [job(0, ago(900)), job(9, ago(700)), job(0, ago(60)), job(0, ago(300))];
    scene.live.add(jobName(live.uuid));
    scene.said.set("k8s", { jobs: [[live, taken, next]] });
    const age = (): number => Math.round((scene.reconcile.view("k8s")?.oldestSeconds ?? 0) / 10) * 10;
    scene.start();
    await scene.listed();
    assert.equal(age(), 700, "no slot is free");
    scene.said.set("k8s", { jobs: [[live, next, vain]] });
    scene.reconcile.aside.add(vain.uuid, 60_000);
    scene.reconcile.tryAgain();
    await scene.listed();
    assert.equal(age(), 300);
  });

  it("gives a stopped queue no more Jobs, by list or webhook, and the others theirs", async () => {
    scene = new Scene(5);
    scene.stopped = "k8s";
    const free = job(0, 0, ["queue=gpu"]);
    scene.said.set("k8s", { jobs: [[job(9)]] }).set("gpu", { jobs: [[free]] });
    scene.start();
    await scene.listed();
    assert.deepEqual([scene.uuids, scene.reconcile.defer("k8s")], [[free.uuid], "stopped"]);
  });

  it("lists again and again, in time", async () => {
    scene = new Scene(1, 100);
    scene.start();
    await until("some lists", () => scene.lists.length >= 10);
    const began = performance.now();
    const before = scene.lists.length;
    await sleep(1000);
    const perSecond = (scene.lists.length - before) / 2 / ((performance.now() - began) / 1000);
    assert.ok(perSecond > 5 && perSecond < 12.6, `${perSecond} lists a second, 100 ms apart`);
  });

  it("does not try again at once what led nowhere, and dispatches a finished Job's build once more", async () => {
    scene = new Scene(5);
    const [foreign, again] = [job(0, 1), job(0, 2)];
    scene.said.set("k8s", { jobs: [[foreign, again]] });
    scene.start();
    await scene.listed();
    scene.decide(foreign.uuid, "foreign");
    scene.create(again.uuid);
    scene.end(again.uuid);
    await sleep(10);
    scene.reconcile.tryAgain();
    await scene.listed();
    assert.deepEqual(scene.uuids, [foreign.uuid, again.uuid, again.uuid]);
  });

  it("goes on with the other queues where one cannot be listed, and says so once", async () => {
    scene = new Scene(5, 50);
    const other = job(0, 0, ["queue=gpu"]);
    scene.said.set("k8s", new StacksError("list", 404, "no such queue")).set("gpu", { jobs: [[other]] });
    scene.start();
    await until("the other queue's job", () => scene.uuids.includes(other.uuid));
    await until("more lists", () => scene.lists.length > 8);
    assert.equal(scene.log.filter(({ event }) => event === "queue not listed, will be tried again").length, 1);
    assert.equal(scene.reconcile.listedAt, 0);
  });

  it("waits longer while Buildkite is away, asks one queue only while the token is refused, and comes back", async () => {
    scene = new Scene(5, 20);
    scene.said.set("k8s", new StacksError("list", 401, "no")).set("gpu", { jobs: [[]] });
    scene.health.refusedToken("no");
    scene.start();
    await until("a few tries", () => scene.lists.length >= 3);
    assert.deepEqual([...new Set(scene.lists)], ["k8s"]);
    const before = scene.lists.length;
    await sleep(300);
    assert.ok(scene.lists.length - before <= 2, "every 200 ms, not every 20");
    const found = job();
    scene.said.set("k8s", { jobs: [[found]] });
    scene.health.answered();
    scene.reconcile.tryAgain();
    await until("the job", () => scene.uuids.includes(found.uuid));
  });

  it("holds a bounded number of jobs in memory, counts the rest, and lists again when it has used them up", async () => {
    scene = new Scene(600);
    const jobs = Array.from({ length: 2000 }, (_, index) => job(0, index));
    scene.said.set("k8s", { jobs: [jobs.slice(0, 1000), jobs.slice(1000)] });
    scene.loopShare = 0;
    scene.start();
    await scene.listed();
    assert.deepEqual([scene.submitted.length, scene.reconcile.view("k8s")?.waiting], [0, 2000]);
    scene.loopShare = 10_000;
    scene.reconcile.slotFreed();
    await until("the cap is full", () => scene.submitted.length === 600);
    assert.deepEqual(
      scene.uuids,
      jobs.slice(0, 600).map(({ uuid }) => uuid),
    );
    const lists = scene.lists.length;
    scene.uuids.forEach((uuid) => {
      scene.decide(uuid, "late_repeat");
    });
    scene.reconcile.slotFreed();
    await until("the next", () => scene.submitted.length === 1200, 5);
    assert.equal(scene.lists.length, lists + 2);
  });

  it("leaves webhooks their part of the buffer, and hands out more before all it handed out is decided", async () => {
    scene = new Scene(1000);
    scene.loopShare = 10;
    const jobs = Array.from({ length: 30 }, (_, index) => job(0, index));
    scene.said.set("k8s", { jobs: [jobs] });
    scene.start();
    await scene.listed();
    assert.equal(scene.submitted.length, 10);
    const lists = scene.lists.length;
    jobs.slice(0, 4).forEach(({ uuid }) => {
      scene.create(uuid);
    });
    await sleep(200);
    assert.equal(scene.submitted.length, 10, "six are still under way: that is enough");
    scene.create(jobs[4]?.uuid ?? "");
    await until("the share is full again", () => scene.submitted.length === 15);
    assert.equal(scene.lists.length, lists, "without another list");
    await scene.stop();
    jobs.slice(5, 15).forEach(({ uuid }) => {
      scene.create(uuid);
    });
    assert.equal(scene.submitted.length, 15, "what is not begun when the process is to end stays at Buildkite");
  });

  it("hands out what it has just listed, also where the list of another queue took longer than a list is good for", async () => {
    scene = new Scene(10, 1000);
    const [quick, slow] = [job(), job(0, 0, ["queue=gpu"])];
    scene.said.set("k8s", { jobs: [[quick]] }).set("gpu", { jobs: [[slow]], afterMs: 5300 });
    scene.start();
    await scene.listed();
    assert.deepEqual(scene.uuids, [slow.uuid, quick.uuid]);
  });

  it("lists early for a webhook that found no place", async () => {
    scene = new Scene(10);
    scene.start();
    await scene.listed();
    const found = job();
    scene.said.set("k8s", { jobs: [[found]] });
    scene.reconcile.missed();
    await until("the job", () => scene.uuids.includes(found.uuid), 5);
  });

  it("hands out what the last list had while a long one is read", async () => {
    scene = new Scene(1000, 300);
    scene.loopShare = 2;
    const jobs = [job(0, 1), job(0, 2), job(0, 3), job(0, 4)];
    scene.said.set("k8s", { jobs: [jobs] });
    scene.start();
    await scene.listed();
    assert.equal(scene.submitted.length, 2);
    // The next one does not end for now.
    let endList: () => void = () => undefined;
    scene.delay = new Promise((resolve) => (endList = resolve));
    try {
      const lists = scene.lists.length;
      await until("the next list", () => scene.lists.length > lists);
      jobs.slice(0, 2).forEach(({ uuid }) => {
        scene.create(uuid);
      });
      await until("the others", () => scene.submitted.length === 4);
    } finally {
      endList();
    }
  });
});
