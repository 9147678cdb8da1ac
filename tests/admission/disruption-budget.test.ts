import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { stamp } from "../../components";
import { AgentsNamespace } from "../../components/agents-namespace";
import { jobName } from "../../components/contract";
import { type KubernetesClient, KubernetesError } from "../../dispatcher/kubernetes/client";
import { buildTemplate } from "../support/build-pods";
import { administrator } from "../support/control-plane";
import { registrationsOf } from "../support/mocks";
import { createStrictly, renderedObjects } from "../support/rendered";
import { until } from "../support/until";

const NAMESPACE = "budget-agents";
const CORE = `/api/v1/namespaces/${NAMESPACE}`;
const BUDGETS = `/apis/policy/v1/namespaces/${NAMESPACE}/poddisruptionbudgets`;

// What a drain does to each pod of a node, GKE's own at an upgrade included.
describe("an eviction of a build's pod, on a real API server", function () {
  this.timeout(120_000);
  let client: KubernetesClient;

  before(async () => {
    client = await administrator();
    const args = { namespace: NAMESPACE, agentToken: "an-agent-token-of-the-tests" };
    await createStrictly(client, renderedObjects(await registrationsOf(() => new AgentsNamespace("agents", args))));
  });

  after(() => client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`));

  it("is refused while the build runs, whether the pod is Ready or not", async () => {
    const pod = await podOfBuild();
    for (const ready of ["True", "False"]) {
      await say(pod, { phase: "Running", conditions: [{ type: "Ready", status: ready }] });
      // A budget that the controller has not looked at yet refuses, too.
      await until("the budget to count the pod", async () => (await currentHealthy()) === (ready === "True" ? 1 : 0));
      assert.equal(await evict(pod), "429 Cannot evict pod as it would violate the pod's disruption budget.");
    }
  });

  it("is granted while the pod is Pending: its node may go, and the Job is made anew", async () => {
    assert.equal(await evict(await podOfBuild()), "granted");
  });

  it("is granted once the build has ended", async () => {
    const pod = await podOfBuild();
    await say(pod, { phase: "Succeeded" });
    assert.equal(await evict(pod), "granted");
  });

  async function podOfBuild(): Promise<string> {
    const uuid = randomUUID();
    const job = stamp(buildTemplate(NAMESPACE), { uuid, queue: "linux", pipeline: "web" });
    await client.request("POST", `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`, { body: job });
    return until("the Job's pod", async () => {
      const query = { labelSelector: `batch.kubernetes.io/job-name=${jobName(uuid)}` };
      const { items } = await client.request<{ items: { metadata: { name: string } }[] }>("GET", `${CORE}/pods`, {
        query,
      });
      return items[0]?.metadata.name;
    });
  }

  /** As its kubelet would. */
  async function say(pod: string, status: object): Promise<void> {
    await client.request("PATCH", `${CORE}/pods/${pod}/status`, {
      body: { status },
      contentType: "application/merge-patch+json",
    });
  }

  async function currentHealthy(): Promise<number | undefined> {
    const { items } = await client.request<{ items: { status?: { currentHealthy?: number } }[] }>("GET", BUDGETS);
    return items[0]?.status?.currentHealthy;
  }

  async function evict(pod: string): Promise<string> {
    const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod, namespace: NAMESPACE } };
    try {
      await client.request("POST", `${CORE}/pods/${pod}/eviction`, { body });
      return "granted";
    } catch (error) {
      if (error instanceof KubernetesError) {
        return `${error.status} ${error.body?.message ?? ""}`;
      }
      throw error;
    }
  }
});
