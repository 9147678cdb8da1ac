import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentLost } from "../../dispatcher/buildkite/agent-lost";
import { Canceled } from "../../dispatcher/buildkite/canceled";
import type { SeenJob } from "../../dispatcher/jobs-watch";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import type { QueueRoute } from "../../dispatcher/settings";
import { until } from "../support/until";

const QUEUES: QueueRoute[] = [{ key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" }];

const seen = (uuid: string): SeenJob => ({
  ...{ name: `buildkite-${uuid}`, uid: `uid-${uuid}`, queue: "k8s", pipeline: "web", attempt: 1, finished: false },
  ...{ createdAt: 1, endedAt: undefined, failure: undefined, waitsUntil: undefined },
});

describe("live Jobs, by what Buildkite says of their builds", () => {
  let live: SeenJob[];
  let taken: string[];
  let reads: string[];
  let looks: number;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    [live, taken, reads, looks] = [[seen("first")], [], [], 0];
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort();
    await running;
  });

  /** Looks again and again; all builds are in that state. */
  function start(state: string, leftoverMs: number): void {
    const [metrics, log] = [createMetrics("test"), createLog(() => undefined)];
    const api = {
      readJob: (name: string) => {
        reads.push(name);
        return Promise.resolve(undefined);
      },
      podsOf: () => assert.fail(),
      deleteJob: () => assert.fail(),
    };
    const report = { agentLost: () => assert.fail() };
    running = new Canceled({
      client: {
        getStates: (uuids) => {
          looks++;
          return Promise.resolve(new Map(uuids.map((uuid) => [uuid, state])));
        },
      },
      jobs: { live: () => live },
      agentLost: new AgentLost({
        ...{ api, jobs: { finished: () => [] }, report, queues: QUEUES, metrics, log, afterMs: 60_000 },
      }),
      onEnding: () => undefined,
      onTaken: (key) => taken.push(key),
      ...{ api, queues: QUEUES, metrics, log, intervalMs: 5, leftoverMs },
    }).run(stop.signal);
  }

  it("a build that runs is told once as a sign that its queue's agents work, however long it runs", async () => {
    start("running", 60_000);
    await until("some looks", () => looks >= 4);
    assert.deepEqual(taken, ["k8s"]);
    live.push(seen("next"));
    await until("its own", () => taken.length > 1);
    await sleep(30);
    assert.deepEqual(taken, ["k8s", "k8s"]);
  });

  it("one that has just ended costs no call: its Job and pods come to their end by themselves", async () => {
    start("finished", 60_000);
    await until("some looks", () => looks >= 4);
    assert.deepEqual(reads, []);
  });

  it("one that ended long ago is looked at", async () => {
    start("finished", 1);
    await until("a read", () => reads.length > 0);
    assert.equal(reads[0], "buildkite-first");
  });

  it("one that was canceled is looked at at once", async () => {
    start("canceled", 60_000);
    await until("a read", () => reads.length > 0);
  });
});
