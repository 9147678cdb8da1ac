import assert from "node:assert/strict";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import { KubernetesProvider } from "../../lab/pulumi/kubernetes-plugin/provider";
import { EngineLog } from "../../lab/pulumi/provider-protocol/engine-log";
import { isSecret, plain, secret, UNKNOWN, type Properties } from "../../lab/pulumi/provider-protocol/property-values";
import { InitializationError } from "../../lab/pulumi/provider-protocol/provider";
import { administrator, sharedControlPlane } from "../support/control-plane";

const NAMESPACE = "pulumi-kubernetes-test";
const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";

/** Records what a person at the CLI would see. */
class RecordedLog extends EngineLog {
  readonly messages: string[] = [];
  override status(_urn: string, message: string): void {
    this.messages.push(message);
  }
  override info(_urn: string, message: string): void {
    this.messages.push(message);
  }
}

function address(type: string, name: string) {
  return { urn: `urn:pulumi:s::p::${type}::${name}`, type, name };
}

describe("the kubernetes double on a real API server", function () {
  this.timeout(60_000);
  let client: KubernetesClient;
  let provider: KubernetesProvider;
  let log: RecordedLog;

  before(async () => {
    client = await administrator();
    const path = "/api/v1/namespaces";
    await client.request("POST", path, {
      body: { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    });
  });

  beforeEach(async () => {
    log = new RecordedLog();
    provider = new KubernetesProvider(log);
    await provider.configure({ kubeconfig: await adminKubeconfig() });
  });

  afterEach(() => {
    provider.cancel();
  });

  after(async () => {
    await client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
  });

  /** Inputs as the engine would send them to create. */
  async function checked(type: string, name: string, news: Properties): Promise<Properties> {
    const request = { ...address(type, name), olds: {}, news, randomSeed: new Uint8Array() };
    return (await provider.check(request)).inputs;
  }

  async function create(
    type: string,
    name: string,
    news: Properties,
    more: { preview?: boolean; seconds?: number } = {},
  ) {
    const inputs = await checked(type, name, { metadata: { namespace: NAMESPACE, name }, ...news });
    const { preview = false, seconds = 0 } = more;
    const created = await provider.create({ ...address(type, name), inputs, preview, timeoutSeconds: seconds });
    return { inputs, ...created };
  }

  it("creates with a field manager of its own, and keeps the live object as state", async () => {
    const { id, state } = await create(CONFIG_MAP, "created", { data: { a: "1" } });
    assert.equal(id, `${NAMESPACE}/created`);
    const metadata = state["metadata"] as { uid?: string; managedFields: { manager: string; operation: string }[] };
    assert.deepEqual(
      metadata.managedFields.map(({ manager, operation }) => [manager, operation]),
      [[state["__fieldManager"], "Apply"]],
    );
    assert.match(String(metadata.uid), /^[0-9a-f-]{36}$/);
  });

  it("refuses to create what exists, and lets its preview pass", async () => {
    await create(CONFIG_MAP, "taken", { data: { a: "1" } });
    await assert.rejects(
      create(CONFIG_MAP, "taken", { data: { a: "2" } }),
      /was not successfully created by the Kubernetes API server: .*already exists/,
    );
    const preview = await create(CONFIG_MAP, "taken", { data: { a: "2" } }, { preview: true });
    assert.equal(preview.id, "");
  });

  it("tries a create out at preview, without leaving anything", async () => {
    await create(CONFIG_MAP, "previewed", { data: { a: "1" } }, { preview: true });
    const found = client.request("GET", `/api/v1/namespaces/${NAMESPACE}/configmaps/previewed`);
    await assert.rejects(found, (error) => error instanceof KubernetesError && error.status === 404);
  });

  for (const preview of [true, false]) {
    it(`refuses an unknown field ${preview ? "at preview" : "at up"}, in the API server's words`, async () => {
      const news = { data: { a: "1" }, dta: { b: "2" } };
      await assert.rejects(create(CONFIG_MAP, "typo", news, { preview }), /field not declared in schema|unknown field/);
    });
  }

  it("refuses at preview what admission refuses", async () => {
    const template = { spec: { containers: [{ name: "a", image: "a", imagePullPolicy: "Sometimes" }] } };
    await assert.rejects(
      create("kubernetes:core/v1:PodTemplate", "invalid", { template }, { preview: true }),
      /imagePullPolicy: Unsupported value/,
    );
  });

  it("lets a preview pass where the namespace is not there yet, or something is unknown", async () => {
    const elsewhere = { metadata: { namespace: "not-yet", name: "a" }, data: {} };
    assert.equal((await create(CONFIG_MAP, "a", elsewhere, { preview: true })).id, "");
    assert.equal((await create(CONFIG_MAP, "b", { dta: UNKNOWN }, { preview: true })).id, "");
  });

  it("updates in place, and takes fields away that the program no longer sets", async () => {
    const { id, inputs, state } = await create(CONFIG_MAP, "updated", { data: { a: "1", b: "2" } });
    const news = { ...inputs, data: { a: "3" } };
    const request = {
      ...address(CONFIG_MAP, "updated"),
      id,
      oldInputs: inputs,
      oldState: state,
      news,
      timeoutSeconds: 0,
    };
    const tried = await provider.update({ ...request, preview: true });
    assert.deepEqual(tried.state["data"], { a: "3" });
    const live = () => client.request<Properties>("GET", `/api/v1/namespaces/${NAMESPACE}/configmaps/updated`);
    assert.deepEqual((await live())["data"], { a: "1", b: "2" });
    await provider.update({ ...request, preview: false });
    assert.deepEqual((await live())["data"], { a: "3" });
  });

  it("refuses to overwrite what somebody else has set since, unless the object says so", async () => {
    const { id, inputs, state } = await create(CONFIG_MAP, "contested", { data: { a: "1" } });
    await client.request("PATCH", `/api/v1/namespaces/${NAMESPACE}/configmaps/contested`, {
      contentType: "application/merge-patch+json",
      query: { fieldManager: "kubectl-edit" },
      body: { data: { a: "2" } },
    });
    const update = (annotations: Properties) => {
      const news = { ...inputs, data: { a: "3" }, metadata: { ...(inputs["metadata"] as Properties), annotations } };
      const request = { ...address(CONFIG_MAP, "contested"), id, oldInputs: inputs, oldState: state, news };
      return provider.update({ ...request, timeoutSeconds: 0, preview: false });
    };
    await assert.rejects(update({}), /field conflict detected.*conflict with "kubectl-edit".*\.data\.a/);
    assert.deepEqual((await update({ "pulumi.com/patchForce": "true" })).state["data"], { a: "3" });
  });

  it("does not bring back by an update what somebody deleted", async () => {
    const { id, inputs, state } = await create(CONFIG_MAP, "deleted", { data: { a: "1" } });
    await client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}/configmaps/deleted`);
    const news = { ...inputs, data: { a: "2" } };
    const request = { ...address(CONFIG_MAP, "deleted"), id, oldInputs: inputs, oldState: state, news };
    await assert.rejects(provider.update({ ...request, timeoutSeconds: 0, preview: false }), /not found/);
    const read = { ...address(CONFIG_MAP, "deleted"), id, inputs, state };
    assert.equal(await provider.read(read), undefined);
  });

  it("reads back the inputs as the program wrote them, and what somebody changed", async () => {
    const type = "kubernetes:core/v1:PodTemplate";
    const resources = { requests: { cpu: "1000m", memory: "1024Mi" } };
    const template = { spec: { containers: [{ name: "a", image: "a:1", resources }] } };
    const { id, inputs, state } = await create(type, "read", { template });
    const read = () => provider.read({ ...address(type, "read"), id, inputs, state });
    assert.deepEqual((await read())?.inputs, inputs);
    await client.request("PATCH", `/api/v1/namespaces/${NAMESPACE}/podtemplates/read`, {
      contentType: "application/strategic-merge-patch+json",
      body: { template: { spec: { containers: [{ name: "a", image: "a:2" }] } } },
    });
    const changed = (await read())?.inputs as { template: typeof template };
    assert.deepEqual(changed.template.spec.containers, [{ name: "a", image: "a:2", resources }]);
  });

  it("marks a Secret's data in the state, where the API server put what was stringData", async () => {
    const { state } = await create("kubernetes:core/v1:Secret", "secret", { stringData: secret({ token: "hush" }) });
    assert.equal(isSecret(state["data"]), true);
    assert.deepEqual(plain(state["data"] ?? null), { token: Buffer.from("hush").toString("base64") });
  });

  it("keeps what was created but did not get ready, with the reasons", async () => {
    const labels = { app: "never" };
    const spec = {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { nodeSelector: { nowhere: "to-be-found" }, containers: [{ name: "a", image: "a" }] },
      },
    };
    await assert.rejects(create("kubernetes:apps/v1:Deployment", "never", { spec }, { seconds: 2 }), (error) => {
      assert.ok(error instanceof InitializationError);
      assert.equal(error.id, `${NAMESPACE}/never`);
      assert.match(error.reasons[0] ?? "", /failed to fully initialize or become live: 'never' timed out waiting/);
      assert.match(error.reasons.join("\n"), /0\/1 Pods available/);
      assert.match(error.reasons.join("\n"), /\[Unschedulable\]/);
      return true;
    });
  });

  it("waits for a Service's endpoints, and not for a headless one's", async () => {
    const type = "kubernetes:core/v1:Service";
    const spec = { selector: { app: "nobody" }, ports: [{ port: 80 }] };
    await assert.rejects(create(type, "waits", { spec }, { seconds: 1 }), /Service does not target any Pods/);
    const { id } = await create(type, "headless", { spec: { ...spec, clusterIP: "None" } }, { seconds: 1 });
    assert.equal(id, `${NAMESPACE}/headless`);
  });

  it("ends a wait when it is cancelled, and still keeps the object", async () => {
    const spec = { selector: { app: "nobody" }, ports: [{ port: 80 }] };
    setTimeout(() => {
      provider.cancel();
    }, 500);
    await assert.rejects(create("kubernetes:core/v1:Service", "cancelled", { spec }), (error) => {
      assert.ok(error instanceof InitializationError);
      assert.match(error.message, /was cancelled for 'cancelled'/);
      return true;
    });
  });

  it("refuses to wait for what it does not model rather than not to wait", async () => {
    const spec = { template: { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "a" }] } } };
    await assert.rejects(
      create("kubernetes:batch/v1:Job", "job", { spec }),
      /does not model waiting for batch\/v1\/Job/,
    );
  });

  it("waits until a deleted object is gone, and says what holds it when the time is up", async () => {
    const { id, inputs, state } = await create(CONFIG_MAP, "held", {
      metadata: { namespace: NAMESPACE, name: "held", finalizers: ["example.com/hold"] },
      data: {},
    });
    const request = { ...address(CONFIG_MAP, "held"), id, oldInputs: inputs, state };
    const reason = /timed out waiting for the deletion of ConfigMap .*\/held: finalizers .*example\.com\/hold/;
    await assert.rejects(provider.delete({ ...request, timeoutSeconds: 1 }), reason);
    assert.match(log.messages.at(-1) ?? "", reason);
    const release = () =>
      client.request("PATCH", `/api/v1/namespaces/${NAMESPACE}/configmaps/held`, {
        contentType: "application/merge-patch+json",
        body: { metadata: { finalizers: null } },
      });
    const deletion = provider.delete({ ...request, timeoutSeconds: 10 });
    await sleep(300);
    await release();
    await deletion;
    assert.equal(await provider.read({ ...address(CONFIG_MAP, "held"), id, inputs, state }), undefined);
  });

  it("lets a preview pass and an update fail where nobody answers", async () => {
    const port = await closedPort();
    const unreachable = new KubernetesProvider(log);
    const kubeconfig = (await adminKubeconfig()).replace(/https:\/\/[^"]+/, `https://127.0.0.1:${port}`);
    await unreachable.configure({ kubeconfig });
    const inputs = await checked(CONFIG_MAP, "away", {});
    const request = { ...address(CONFIG_MAP, "away"), inputs, timeoutSeconds: 0 };
    assert.equal((await unreachable.create({ ...request, preview: true })).id, "");
    await assert.rejects(unreachable.create({ ...request, preview: false }), /cluster is unreachable.*ECONNREFUSED/);
  });

  it("says which command did not give a credential, and how to get it", async () => {
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1beta1",
      command: "no-such-auth-plugin",
      installHint: "Install it first",
    };
    const config = JSON.parse(await adminKubeconfig()) as { users: { name: string; user: unknown }[] };
    config.users = config.users.map(({ name }) => ({ name, user: { exec } }));
    const without = new KubernetesProvider(log);
    await without.configure({ kubeconfig: JSON.stringify(config) });
    const inputs = await checked(CONFIG_MAP, "away", {});
    await assert.rejects(
      without.create({ ...address(CONFIG_MAP, "away"), inputs, timeoutSeconds: 0, preview: false }),
      /exec: no-such-auth-plugin: ENOENT[^]*Install it first/,
    );
  });
});

async function adminKubeconfig(): Promise<string> {
  const { server, caPem, clientCertPem, clientKeyPem } = (await sharedControlPlane()).adminKubeconfig;
  const encode = (text: string) => Buffer.from(text).toString("base64");
  return JSON.stringify({
    "current-context": "lab",
    clusters: [{ name: "lab", cluster: { server, "certificate-authority-data": encode(caPem) } }],
    contexts: [{ name: "lab", context: { cluster: "lab", user: "admin" } }],
    users: [
      {
        name: "admin",
        user: { "client-certificate-data": encode(clientCertPem), "client-key-data": encode(clientKeyPem) },
      },
    ],
  });
}

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
