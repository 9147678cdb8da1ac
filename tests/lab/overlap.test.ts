import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { JOB_UUID, jobName } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";
import { OverlapWatch } from "../../lab/overlap";
import { buildTemplate, jobOf, kwokNode } from "../support/build-pods";
import { administrator } from "../support/control-plane";
import { until } from "../support/until";

const NAMESPACE = "lab-overlap-test";
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;

describe("the overlap watch", function () {
  this.timeout(60_000);

  let client: KubernetesClient;
  let watch: OverlapWatch;
  const buildkite = new FakeBuildkite({ agentToken: "t", webhookSecret: "s", seed: 11 });
  // No node fits: pods stay Pending, which is as much alive as Running.
  const template = buildTemplate(NAMESPACE, { nodeSelector: { nowhere: "at-all" } });

  async function pod(job: FakeJob, name: string): Promise<void> {
    const body = {
      metadata: { name, labels: { [JOB_UUID]: job.id } },
      spec: { nodeSelector: { nowhere: "at-all" }, containers: [{ name: "agent", image: "x" }] },
    };
    await client.request("POST", PODS, { body });
  }

  async function startJob(job: FakeJob): Promise<void> {
    await client.request("POST", JOBS, { body: jobOf(template, job) });
    await until("its pod", () => watch.podsPerJob.has(job.id) || undefined);
  }

  const remove = (job: FakeJob, propagationPolicy: string): Promise<unknown> =>
    client.request("DELETE", `${JOBS}/${jobName(job.id)}`, { query: { propagationPolicy } });
  const schedule = (): FakeJob => buildkite.schedule({ queue: "linux", seconds: 1 });

  before(async () => {
    client = await administrator();
    await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: NAMESPACE } } });
    watch = new OverlapWatch({ client, poolSelector: `pool=${NAMESPACE}`, graceMs: 500 });
    await watch.start();
  });

  after(async () => {
    await watch.stop();
    await client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
  });

  it("sees two pods for one build, and not two one after the other", async () => {
    const [twice, once] = [schedule(), schedule()];
    await pod(twice, "first");
    await pod(twice, "second");
    await until("the overlap", () => watch.overlapping.get(twice.id));
    assert.deepEqual(watch.overlapping.get(twice.id), [`${NAMESPACE}/first`, `${NAMESPACE}/second`]);
    await pod(once, "third");
    await client.request("DELETE", `${PODS}/third`, { query: { gracePeriodSeconds: 0 } });
    await pod(once, "fourth");
    await until("the second pod", () => watch.podsPerJob.get(once.id) === 2 || undefined);
    assert.ok(!watch.overlapping.has(once.id));
  });

  it("sees a pod that was orphaned by a Job's plain deletion, and none after a deletion that propagates", async () => {
    const [orphaned, whole] = [schedule(), schedule()];
    await startJob(orphaned);
    await startJob(whole);
    await remove(whole, "Foreground");
    await remove(orphaned, "Orphan");
    await until("the orphan", () => watch.outliving.length > 0 || undefined);
    await sleep(1_000);
    assert.equal(watch.outliving.length, 1);
    assert.ok(watch.outliving[0]?.includes(orphaned.id));
  });

  it("counts the pool's nodes, and remembers the most there were", async () => {
    await kwokNode(client, `${NAMESPACE}-a`, NAMESPACE);
    await kwokNode(client, `${NAMESPACE}-b`, NAMESPACE);
    await until("two nodes", () => watch.counts().nodes === 2 || undefined);
    for (const name of ["a", "b"]) {
      await client.request("DELETE", `/api/v1/nodes/${NAMESPACE}-${name}`);
    }
    await until("no node", () => watch.counts().nodes === 0 || undefined);
    assert.equal(watch.peakNodes, 2);
    assert.equal(watch.gaps, 0);
  });
});
