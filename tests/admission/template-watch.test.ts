import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DindJobTemplate, type PodTemplateObject, stamp } from "../../components";
import { templateWatchBindingSpec, templateWatchPolicySpec } from "../../components/template-watch";
import { KubernetesClient, KubernetesError } from "../../dispatcher/kubernetes/client";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane";
import { getParts } from "../../lab/parts";
import { registrationsOf } from "../support/mocks";
import { collectionPath, createStrictly, type RenderedObject, renderedObjects } from "../support/rendered";
import { until } from "../support/until";

const NAMESPACE = "again-agents";
const TEMPLATE = `/api/v1/namespaces/${NAMESPACE}/podtemplates/default`;
const PARTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl"] as const;

// A control plane of its own: on the shared one other tests' policies keep the watch going.
describe("what a destroy leaves in the cluster", function () {
  this.timeout(120_000);
  let workDir: string;
  let controlPlane: ControlPlane;
  let client: KubernetesClient;

  before(async () => {
    const print = () => undefined;
    const parts = await getParts(PARTS, { print });
    workDir = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    controlPlane = await startControlPlane({ parts, workDir, print });
    const { server, caPem, clientCertPem, clientKeyPem } = controlPlane.adminKubeconfig;
    client = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
  });

  after(async () => {
    client.close();
    await controlPlane.stop();
    await rm(workDir, { recursive: true, force: true });
  });

  it("lets the API server see the templates of the next up: an honest Job passes, another does not", async () => {
    const watch = { apiVersion: "admissionregistration.k8s.io/v1", metadata: { name: "template-watch" } };
    await createStrictly(client, [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
      { ...watch, kind: "ValidatingAdmissionPolicy", spec: templateWatchPolicySpec() },
      { ...watch, kind: "ValidatingAdmissionPolicyBinding", spec: templateWatchBindingSpec("template-watch") },
    ]);
    const objects = await templateAndPolicy("1Gi");
    await createStrictly(client, objects);
    await inForce();

    for (const object of objects.reverse()) {
      await client.request("DELETE", `${collectionPath(object)}/${object.metadata.name}`);
    }
    // The API server takes stock of bindings every second.
    await sleep(3_000);

    await createStrictly(client, await templateAndPolicy("2Gi"));
    await inForce();
  });

  async function templateAndPolicy(memory: string): Promise<RenderedObject[]> {
    const resources = { cpu: "1", memory };
    const args = { namespace: NAMESPACE, templateName: "default", queue: "default" };
    const agentToken = { secret: "token", key: "token" };
    return renderedObjects(
      await registrationsOf(() => {
        new DindJobTemplate("default", { ...args, agentToken, resources: { agent: resources, dind: resources } });
      }),
    );
  }

  async function inForce(): Promise<void> {
    const template = await client.request<PodTemplateObject>("GET", TEMPLATE);
    const honest = stamp(template, { uuid: "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11", queue: "default", pipeline: "web" });
    const bent = { ...honest, spec: { ...honest.spec, backoffLimit: 6 } };
    let said: string | undefined;
    await until(
      "the policy to be in force",
      async () => {
        said = await refusal(honest);
        return said === undefined && (await refusal(bent)) !== undefined;
      },
      20,
    ).catch(() => {
      assert.fail(`an honest Job: ${String(said)}`);
    });
  }

  async function refusal(job: object): Promise<string | undefined> {
    try {
      const query = { dryRun: "All" };
      await client.request("POST", `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`, { body: job, query });
      return undefined;
    } catch (error) {
      if (error instanceof KubernetesError) {
        return error.message;
      }
      throw error;
    }
  }
});
