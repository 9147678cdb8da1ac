import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { jobName } from "../../components/contract";
import type { AgentsNamespace } from "../../dispatcher/agents-namespace";
import { Dispatch } from "../../dispatcher/dispatch";
import type { Job } from "../../dispatcher/kubernetes/objects";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import { PATIENCE } from "../../dispatcher/patience";
import { Slots } from "../../dispatcher/slots";
import type { Templates } from "../../dispatcher/templates";
import { WaitingRoom } from "../../dispatcher/waiting-room";
import { until } from "../support/until";

describe("the end of the process", () => {
  it("waits no longer than it may for a Buildkite that is silent about a job in hand", async () => {
    const uuid = randomUUID();
    const finished: Job = {
      metadata: { name: jobName(uuid), uid: "former", labels: { "buildkite.com/job-uuid": uuid } },
      status: { conditions: [{ type: "Complete", status: "True" }] },
    };
    let asked = 0;
    const dispatch = new Dispatch({
      api: { readJob: () => Promise.resolve(finished) } as unknown as AgentsNamespace,
      templates: undefined as unknown as Templates,
      room: new WaitingRoom(),
      limits: { createConcurrency: 1, bufferSize: 10 },
      patience: PATIENCE,
      metrics: createMetrics("test"),
      log: createLog(() => undefined),
      hasPods: () => true,
      slots: new Slots(Infinity, () => 0),
      isWanted: () => {
        asked++;
        return new Promise(() => undefined);
      },
      onCreated: () => undefined,
    });
    const route = { key: "k8s", default: true, tags: ["queue=k8s"], template: "k8s", agentMode: "acquire" as const };
    const job = { uuid, queue: "k8s", pipeline: "web" };
    const outcome = dispatch.submit({ job, route, arrivedAt: performance.now(), source: "reconcile" });
    await until("the question", () => asked === 1);
    const began = performance.now();
    await dispatch.finish(50);
    assert.ok(performance.now() - began < 1000);
    assert.equal(await outcome, "lost");
    assert.equal(dispatch.heldCount, 0);
  });
});
