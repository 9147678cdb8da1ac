import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { LongWaits } from "../../dispatcher/buildkite/long-waits";
import { refusalIn } from "../../dispatcher/buildkite/podless-jobs";
import { waitCauseOf, waitingNote } from "../../dispatcher/buildkite/wait-cause";
import { HeldJob } from "../../dispatcher/held-job";
import type { KubernetesEvent } from "../../dispatcher/kubernetes/objects";
import { createLog } from "../../dispatcher/log";
import { seenPod, type SeenPod } from "../../dispatcher/pods-watch";
import type { QueueRoute } from "../../dispatcher/settings";
import { until } from "../support/until";

const event = (reason: string, message = "m"): KubernetesEvent => ({ metadata: {}, reason, message });
const ROUTE: QueueRoute = { key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" };

describe("why a pod is waited for", () => {
  it("is the autoscaler's newest word, else the scheduler's", () => {
    const newestFirst = [event("FailedScheduling"), event("NotTriggerScaleUp", "max size"), event("TriggeredScaleUp")];
    assert.deepEqual(waitCauseOf(newestFirst, false), { cause: "NotTriggerScaleUp", said: "max size" });
    assert.equal(waitCauseOf([event("FailedScheduling")], false)?.cause, "FailedScheduling");
    assert.equal(waitCauseOf([event("Scheduled"), event("FailedMount")], false), undefined);
  });

  it("is the node's word once it has one", () => {
    const newestFirst = [event("FailedMount", 'secret "x" not found'), event("TriggeredScaleUp")];
    assert.deepEqual(waitCauseOf(newestFirst, true), { cause: "FailedMount", said: 'secret "x" not found' });
  });

  it("is a note of at most 255 characters that never says failed", () => {
    const note = waitingNote({ cause: "NotTriggerScaleUp", said: "pod didn't trigger scale-up:\n 1 max size" }, 330);
    assert.equal(
      note,
      "Waiting for its pod for 6 min, and goes on. No node is added now (NotTriggerScaleUp): pod didn't trigger scale-up: 1 max size",
    );
    assert.equal(Array.from(waitingNote({ cause: "quota", said: "é".repeat(900) }, 1)).length, 255);
  });
});

describe("why a Job has no pod", () => {
  it("is a policy's no or a full quota, which means wait; a word that is neither decides nothing", () => {
    const said = (message: string) => refusalIn([event("SuccessfulCreate"), event("FailedCreate", message)])?.kind;
    assert.equal(said('Error creating: pods "p" is forbidden: violates PodSecurity "restricted"'), "refused");
    assert.equal(said('Error creating: admission webhook "w" denied the request'), "refused");
    assert.equal(said('Error creating: pods "p" is forbidden: exceeded quota: q, requested: pods=1'), "quota");
    assert.equal(said("Error creating: Internal error occurred: failed calling webhook"), undefined);
    assert.equal(refusalIn([event("SuccessfulCreate")]), undefined);
  });
});

describe("jobs that wait for long", () => {
  let notes: string[];
  let read: string[];
  let pods: SeenPod[];
  let held: HeldJob[];
  let events: KubernetesEvent[];
  let reported: "noted" | "unsaid";
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    [notes, read, pods, held, events] = [[], [], [], [], [event("NotTriggerScaleUp", "max size reached")]];
    reported = "noted";
    stop = new AbortController();
    running = new LongWaits({
      api: {
        eventsOf: (uid) => {
          read.push(uid);
          return Promise.resolve(events);
        },
      },
      pods: { waiting: () => pods },
      dispatch: { held: () => held },
      report: {
        note: (uuid, words) => {
          notes.push(`${uuid} ${words}`);
          return Promise.resolve(reported);
        },
      },
      queues: [ROUTE],
      isOurs: (jobUid) => jobUid !== "another replica's",
      ...{ log: createLog(() => undefined), intervalMs: 5, afterMs: 100 },
    }).run(stop.signal);
  });

  afterEach(async () => {
    stop.abort();
    await running;
  });

  function pod(ageMs: number, more: { job?: string; queue?: string } = {}): SeenPod {
    const { job = "job", queue = "k8s" } = more;
    const labels = { "buildkite.com/job-uuid": "u", "buildkite.com/queue": queue };
    const ownerReferences = [{ kind: "Job", name: "j", uid: job, controller: true }];
    const creationTimestamp = new Date(Date.now() - ageMs).toISOString();
    return seenPod({ metadata: { name: "p", uid: randomUUID(), labels, ownerReferences, creationTimestamp } });
  }
  const looks = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 300));

  it("get one note for each cause, however often they are looked at", async () => {
    pods = [pod(60_000)];
    await until("a note", () => notes.length === 1);
    await looks();
    assert.deepEqual(notes, [
      "u Waiting for its pod for 1 min, and goes on. No node is added now (NotTriggerScaleUp): max size reached",
    ]);
    assert.ok(read.length > 1, "the events are read anew from time to time");
    events = [event("TriggeredScaleUp", "pool 3->4")];
    await until("the next", () => notes.length === 2);
  });

  it("are left alone before their time, in other replicas' hands, and in queues whose pods are capacity", async () => {
    pods = [pod(-3_600_000), pod(60_000, { job: "another replica's" }), pod(60_000, { queue: "seed" })];
    await looks();
    assert.deepEqual([notes, read], [[], []]);
  });

  it("are read ten at a time", async () => {
    pods = Array.from({ length: 25 }, () => pod(60_000));
    await until("all", () => new Set(read).size === 25);
    assert.equal(new Set(read.slice(0, 10)).size, 10);
    assert.equal(new Set(read.slice(0, 25)).size, 25, "one had a second turn before another had its first");
  });

  it("for room in the quota are told so", async () => {
    const work = { job: { uuid: "u", queue: "k8s", pipeline: "web" }, route: ROUTE, arrivedAt: 0, source: "webhook" };
    const waiting = new HeldJob(work as HeldJob["work"]);
    held = [waiting];
    await looks();
    assert.deepEqual(notes, []);
    waiting.waitsFor = { cause: "quota", why: "exceeded quota: jobs, used: 9" };
    await until("a note", () => notes.length === 1);
    assert.match(notes.join(), /The quota of its namespace is full: exceeded quota: jobs, used: 9$/);
  });

  it("are told later where Buildkite cannot be asked just now", async () => {
    reported = "unsaid";
    pods = [pod(60_000)];
    await until("a try", () => notes.length > 0);
    reported = "noted";
    await until("the next", () => notes.length > 1);
  });
});
