import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentLost } from "../../dispatcher/buildkite/agent-lost";
import { Canceled } from "../../dispatcher/buildkite/canceled";
import type { SeenJob } from "../../dispatcher/jobs-watch";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import type { QueueRoute } from "../../dispatcher/settings";
import { until } from "../support/until";

const seen = (uuid: string): SeenJob => ({
  ...{ name: `buildkite-${uuid}`, uid: `uid-${uuid}`, queue: "k8s", pipeline: "web", attempt: 1, finished: false },
  ...{ createdAt: 1, endedAt: undefined, failure: undefined, waitsUntil: undefined },
});

describe("a build that runs", () => {
  it("is told once as a sign that its queue's agents work, however long it runs", async () => {
    const queues: QueueRoute[] = [{ key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" }];
    const live = [seen("long")];
    const [metrics, log] = [createMetrics("test"), createLog(() => undefined)];
    const api = { readJob: () => assert.fail(), podsOf: () => assert.fail(), deleteJob: () => assert.fail() };
    const report = { agentLost: () => assert.fail() };
    const taken: string[] = [];
    let looks = 0;
    const stop = new AbortController();
    const running = new Canceled({
      client: {
        getStates: (uuids) => {
          looks++;
          return Promise.resolve(new Map(uuids.map((uuid) => [uuid, "running"])));
        },
      },
      jobs: { live: () => live },
      agentLost: new AgentLost({ api, jobs: { finished: () => [] }, report, queues, metrics, log, afterMs: 60_000 }),
      onEnding: () => undefined,
      onTaken: (key) => taken.push(key),
      ...{ api, queues, metrics, log, intervalMs: 5, leftoverMs: 60_000 },
    }).run(stop.signal);
    try {
      await until("some looks", () => looks >= 4);
      assert.deepEqual(taken, ["k8s"]);
      live.push(seen("next"));
      await until("its own", () => taken.length > 1);
      await sleep(30);
      assert.deepEqual(taken, ["k8s", "k8s"]);
    } finally {
      stop.abort();
      await running;
    }
  });
});

describe("a build that has just ended", () => {
  it("costs no call for its Job and pods, which come to their end by themselves, until they had their time", async () => {
    const queues: QueueRoute[] = [{ key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" }];
    const [metrics, log] = [createMetrics("test"), createLog(() => undefined)];
    const reads: string[] = [];
    const readJob = (name: string) => {
      reads.push(name);
      return Promise.resolve(undefined);
    };
    const api = { readJob, podsOf: () => assert.fail(), deleteJob: () => assert.fail() };
    const report = { agentLost: () => assert.fail() };
    const looksWith = async (leftoverMs: number): Promise<void> => {
      let looks = 0;
      const stop = new AbortController();
      const running = new Canceled({
        client: {
          getStates: (uuids) => {
            looks++;
            return Promise.resolve(new Map(uuids.map((uuid) => [uuid, "finished"])));
          },
        },
        jobs: { live: () => [seen("ended")] },
        agentLost: new AgentLost({ api, jobs: { finished: () => [] }, report, queues, metrics, log, afterMs: 60_000 }),
        ...{ onEnding: () => undefined, onTaken: () => undefined },
        ...{ api, queues, metrics, log, intervalMs: 5, leftoverMs },
      }).run(stop.signal);
      try {
        await until("some looks", () => looks >= 4);
      } finally {
        stop.abort();
        await running;
      }
    };
    await looksWith(60_000);
    assert.deepEqual(reads, []);
    await looksWith(1);
    assert.equal(reads[0], "buildkite-ended");
  });
});
