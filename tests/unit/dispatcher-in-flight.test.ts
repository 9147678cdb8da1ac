import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { labelValue } from "../../components/stamp";
import { AgentsNamespace } from "../../dispatcher/agents-namespace";
import { JobsWatch } from "../../dispatcher/jobs-watch";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { createMetrics } from "../../dispatcher/metrics";

const LONG_KEY = "a-queue_".repeat(12);

function job(name: string, queue: string, resourceVersion: string, finished = false) {
  const conditions = finished ? [{ type: "Complete", status: "True" }] : [];
  return {
    metadata: {
      name,
      namespace: "agents",
      uid: `${name}-uid`,
      resourceVersion,
      labels: { "buildkite.com/queue": queue },
    },
    status: { conditions },
  };
}

describe("jobs in flight", () => {
  let server: http.Server;
  let client: KubernetesClient;
  let jobs: JobsWatch;
  let watch: http.ServerResponse | undefined;
  let gone: string[];
  const stop = new AbortController();

  before(async () => {
    server = http.createServer((request, response) => {
      if (request.url?.includes("watch=true") === true) {
        watch = response;
        response.flushHeaders();
      } else {
        const items = [job("one", "k8s", "1"), job("two", "k8s", "2", true), job("old", "former", "3")];
        response.end(JSON.stringify({ metadata: { resourceVersion: "5" }, items }));
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    client = new KubernetesClient({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    gone = [];
    jobs = new JobsWatch({
      ...{ client, api: new AgentsNamespace(client, "agents", createMetrics("test")), namespace: "agents" },
      queues: ["k8s", LONG_KEY],
      onGone: (name) => gone.push(name),
      onFinished: () => undefined,
      onError: () => undefined,
    });
    await jobs.start(stop.signal);
    while (watch === undefined) {
      await sleep(5);
    }
  });

  after(() => {
    stop.abort();
    client.close();
    server.closeAllConnections();
    server.close();
  });

  const counts = () => Object.fromEntries(jobs.inFlight());
  const tell = async (type: string, object: unknown) => {
    watch?.write(`${JSON.stringify({ type, object })}\n`);
    await sleep(30);
  };

  it("are the live Jobs that the watch shows; finished ones are none, and a former queue's are others", () => {
    assert.deepEqual(counts(), { k8s: 1, [LONG_KEY]: 0, other: 1 });
  });

  it("count our own creates before the watch has seen them, and once after", async () => {
    jobs.created("three", "k8s");
    jobs.created("one", "k8s");
    assert.equal(counts()["k8s"], 2);
    await tell("ADDED", job("three", "k8s", "6"));
    assert.equal(counts()["k8s"], 2);
  });

  it("end with a Job's end or its deletion", async () => {
    await tell("MODIFIED", job("three", "k8s", "7", true));
    assert.equal(counts()["k8s"], 1);
    await tell("DELETED", job("one", "k8s", "8"));
    assert.equal(counts()["k8s"], 0);
    assert.deepEqual(gone, ["one"]);
  });

  it("are counted by the queue's key where its label had to be shortened", async () => {
    jobs.created("four", LONG_KEY);
    assert.equal(counts()[LONG_KEY], 1);
    await tell("ADDED", job("four", labelValue(LONG_KEY), "9"));
    assert.equal(counts()[LONG_KEY], 1);
  });
});
