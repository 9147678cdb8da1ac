import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { KubernetesClient, KubernetesError, type WatchEvent } from "../../dispatcher/kubernetes/client";
import { FaultProxy } from "../../lab/fault-proxy";
import { administrator, sharedControlPlane } from "../support/control-plane";
import { until } from "../support/until";

interface ConfigMap {
  metadata: { name: string; resourceVersion: string };
}

describe("the proxy that misbehaves", function () {
  this.timeout(120_000);
  let admin: KubernetesClient;
  let proxy: FaultProxy;
  /** As the dispatcher does it: HTTPS, the cluster's CA, a token. */
  let client: KubernetesClient;
  let namespace: string;
  let path: string;

  before(async () => {
    admin = await administrator();
    const access = (await sharedControlPlane()).adminKubeconfig;
    proxy = await FaultProxy.start(access, { tls: true });
    namespace = `fault-proxy-${randomUUID().slice(0, 8)}`;
    path = `/api/v1/namespaces/${namespace}/configmaps`;
    await admin.request("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await admin.request("POST", accounts, { body: { metadata: { name: "client" } } });
    await admin.request("POST", `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`, {
      body: {
        metadata: { name: "client" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "admin" },
        subjects: [{ kind: "ServiceAccount", name: "client", namespace }],
      },
    });
    const { status } = await admin.request<{ status: { token: string } }>("POST", `${accounts}/client/token`, {
      body: { spec: { expirationSeconds: 3600 } },
    });
    client = new KubernetesClient({ server: proxy.url, ca: access.caPem, token: () => status.token });
    await until("the rights have spread", () =>
      create("first").then(
        () => true,
        () => false,
      ),
    );
  });

  after(async () => {
    client.close();
    await proxy.stop();
    await admin.request("DELETE", `/api/v1/namespaces/${namespace}`);
  });

  afterEach(() => {
    proxy.onRequest = () => "pass";
    proxy.watchDelayMs = () => 0;
  });

  const create = (name: string): Promise<unknown> => client.request("POST", path, { body: { metadata: { name } } });
  const exists = async (name: string): Promise<boolean> =>
    (await admin.request<{ items: ConfigMap[] }>("GET", path)).items.some(({ metadata }) => metadata.name === name);
  const codeOf = async (call: Promise<unknown>): Promise<unknown> => {
    const error: unknown = await call.then(
      () => assert.fail("it was answered"),
      (reason: unknown) => reason,
    );
    return error instanceof KubernetesError ? error.status : (error as { code?: string }).code;
  };

  it("cuts a create before the API server has it, after it did it, and half-way through the answer", async () => {
    for (const [fault, isDone] of [
      ["cut-before", false],
      ["cut-after", true],
      ["cut-within", true],
    ] as const) {
      proxy.onRequest = () => fault;
      assert.equal(await codeOf(create(fault)), "ECONNRESET", fault);
      assert.equal(await exists(fault), isDone, fault);
    }
  });

  it("answers in the API server's place, and lets it do it all the same where told so", async () => {
    proxy.onRequest = () => ({ status: 500, body: {} });
    assert.equal(await codeOf(create("not-done")), 500);
    proxy.onRequest = () => ({ status: 500, body: {}, isDone: true });
    assert.equal(await codeOf(create("done")), 500);
    assert.deepEqual([await exists("not-done"), await exists("done")], [false, true]);
  });

  it("closes its port, cuts what there is, and opens the same one again", async () => {
    const watching = codeOf(next(watch("0"), 1000));
    await until("the watch", () => proxy.count("GET", /watch=true/) > 0);
    await proxy.suspend();
    // A connection that the client had kept may tell it first.
    await until("it is refused", async () => (await codeOf(create("refused"))) === "ECONNREFUSED");
    assert.equal(await watching, "ECONNRESET");
    await proxy.resume();
    await create("served");
  });

  it("tells a watch late, in order, and that it has expired", async () => {
    const { metadata } = await admin.request<ConfigMap>("POST", path, { body: { metadata: { name: "since" } } });
    const lateMs = 700;
    proxy.watchDelayMs = () => lateMs;
    const events = watch(metadata.resourceVersion);
    const began = Date.now();
    const first = next(events, 2);
    for (const name of ["one", "two"]) {
      await admin.request("POST", path, { body: { metadata: { name } } });
    }
    const told = await first;
    assert.deepEqual(
      told.map(({ object }) => object.metadata.name),
      ["one", "two"],
    );
    assert.ok(Date.now() - began >= lateMs);
    proxy.expireWatches();
    const [expired] = await next(events, 1);
    assert.equal(expired?.type, "ERROR");
    assert.equal((expired.object as unknown as { code: number }).code, 410);
    assert.equal((await events.next()).done, true);
  });

  function watch(resourceVersion: string): AsyncGenerator<WatchEvent<ConfigMap>, void, void> {
    return client.watch<ConfigMap>(path, { query: { resourceVersion } });
  }
});

/** The next events; fewer where the watch ends. */
async function next<T>(events: AsyncGenerator<T, void, void>, count: number): Promise<T[]> {
  const found: T[] = [];
  while (found.length < count) {
    const { value, done } = await events.next();
    if (done === true) {
      break;
    }
    found.push(value);
  }
  return found;
}
