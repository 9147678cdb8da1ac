import assert from "node:assert/strict";
import { EventEmitter, on } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { JOB_UUID } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { ClusterRecord } from "../../lab/record";
import { until } from "../support/until";

const BUILD = "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";
const PODS = "/api/v1/pods";
const JOBS = "/apis/batch/v1/jobs";

describe("the record of a cluster", () => {
  const events = new EventEmitter();
  let version = 1;
  let record: ClusterRecord;

  /** A cluster in which there is nothing at first; its watches tell what the test says. */
  const client = {
    request: () => Promise.resolve({ metadata: { resourceVersion: "1" }, items: [] }),
    watch: async function* (path: string, { signal }: { signal: AbortSignal }) {
      for await (const [event] of on(events, path, { signal }) as AsyncIterable<unknown[]>) {
        yield event;
      }
    },
  } as unknown as KubernetesClient;

  function tell(path: string, type: "ADDED" | "MODIFIED" | "DELETED", name: string, rest: object = {}): void {
    version += 1;
    const metadata = {
      name,
      namespace: "n",
      uid: name,
      resourceVersion: String(version),
      labels: { [JOB_UUID]: BUILD },
    };
    events.emit(path, { type, object: { metadata, ...rest } });
  }

  beforeEach(async () => {
    record = new ClusterRecord({ client, poolSelector: "pool=agents" });
    await record.start();
  });

  afterEach(() => {
    record.stop();
  });

  it("has of a build that got a second pod that pod's times alone", async () => {
    const onNode = { spec: { nodeName: "gke-1" } };
    tell(JOBS, "ADDED", "job");
    tell(PODS, "ADDED", "first", { ...onNode, status: { phase: "Running" } });
    tell(PODS, "MODIFIED", "first", { ...onNode, status: { phase: "Failed" } });
    const { jobAt, ...first } = await until("the first pod's end", () => {
      const times = record.build(BUILD);
      return times.jobAt !== undefined && times.endedAt !== undefined && { ...times };
    });
    assert.equal(first.node, "gke-1");
    assert.ok(first.boundAt !== undefined && first.podAt !== undefined);

    tell(PODS, "ADDED", "second");
    await until("the second pod", () => record.build(BUILD).boundAt === undefined);
    assert.deepEqual(record.build(BUILD), { jobAt });

    // On the same node, and what becomes of the first one says nothing about it.
    tell(PODS, "DELETED", "first", { ...onNode, status: { phase: "Failed" } });
    tell(PODS, "MODIFIED", "second", { ...onNode, status: { phase: "Running" } });
    await until("the second pod to run", () => record.build(BUILD).podAt);
    const second = { ...record.build(BUILD) };
    assert.ok((second.boundAt ?? 0) > first.boundAt && (second.podAt ?? 0) > first.podAt);
    assert.deepEqual([second.jobAt, second.node, second.endedAt], [jobAt, "gke-1", undefined]);

    await sleep(2);
    tell(PODS, "DELETED", "second", { ...onNode, status: { phase: "Running" } });
    await until("its end", () => record.build(BUILD).endedAt);
  });
});
