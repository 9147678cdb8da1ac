import assert from "node:assert/strict";
import { QueueViews, type ListedView } from "../../dispatcher/buildkite/queue-views";
import { WaitingJobs } from "../../dispatcher/buildkite/waiting-jobs";

/** A queue's list with one job. */
function listed(uuid: string): ListedView {
  const waiting = new WaitingJobs(10);
  const route = { key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" as const };
  waiting.add({ uuid, route, pipeline: "web", priority: 0 });
  waiting.seal();
  return { paused: false, notServed: 0, waiting, oldestResting: Infinity };
}

describe("the last lists of the queues", () => {
  const realNow = performance.now.bind(performance);
  let passedMs: number;
  const first = (views: QueueViews): string | undefined => views.first()?.waiting.first()?.uuid;

  beforeEach(() => {
    passedMs = 0;
    performance.now = () => realNow() + passedMs;
  });

  afterEach(() => {
    performance.now = realNow;
  });

  it("are good for three intervals, and for 5 s at the least", () => {
    for (const [intervalMs, goodMs] of [
      [1000, 5000],
      [10_000, 30_000],
    ] as const) {
      const views = new QueueViews(intervalMs, () => false);
      views.take(new Map([["k8s", listed("a")]]));
      passedMs += goodMs - 500;
      assert.equal(first(views), "a");
      passedMs += 1000;
      assert.equal(first(views), undefined);
    }
  });

  it("are good from the end of their round on, however long that took; what was not listed again ages on", () => {
    const views = new QueueViews(1000, () => false);
    views.take(new Map([["gpu", listed("before the outage")]]));
    const early = listed("early in the round");
    passedMs += 6000;
    views.take(new Map([["k8s", early]]));
    assert.equal(first(views), "early in the round");
    early.waiting.take();
    assert.equal(first(views), undefined);
  });
});
