import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { DispatcherPods } from "../../lab/dispatcher-pods";
import type { Pod } from "../../lab/kubelet/pod";
import { kwokNode } from "../support/build-pods";
import { administrator, sharedControlPlane } from "../support/control-plane";
import { until } from "../support/until";

const NAMESPACE = "lab-dispatcher-pods-test";
const API = `/api/v1/namespaces/${NAMESPACE}`;
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const LABELS = { app: "server", "app.kubernetes.io/component": "webhook-dispatcher-test" };

/** What stands for the bundle: it tells what it finds, and can be made to fail. */
const SERVER = `
const { createServer } = require("node:http");
const { readFileSync, writeFileSync } = require("node:fs");
const attempt = (f) => { try { return f(); } catch (error) { return error.code; } };
let ready = true, alive = true;
const secrets = process.env.SECRETS_PATH, account = "SERVICE_ACCOUNT" in process.env && process.env.SERVICE_ACCOUNT;
createServer((request, response) => {
  if (request.url === "/readyz") { response.statusCode = ready ? 200 : 503; return response.end(); }
  if (request.url === "/fail") { ready = false; return response.end(); }
  if (request.url === "/hang") { alive = false; return response.end(); }
  if (request.url === "/exit") { response.end(); setTimeout(() => process.exit(3), 10); return; }
  response.end(JSON.stringify({
    uid: process.getuid(), env: process.env, argv: process.argv,
    secret: attempt(() => readFileSync(secrets + "/current", "utf8")),
    write: attempt(() => writeFileSync(secrets + "/new", "x")),
    overwrite: attempt(() => writeFileSync(process.argv[1], "x")),
    token: attempt(() => readFileSync(account + "/token", "utf8")),
    ca: attempt(() => readFileSync(account + "/ca.crt", "utf8").slice(0, 27)),
    namespace: attempt(() => readFileSync(account + "/namespace", "utf8")),
  }));
}).listen(process.env.PORT, process.env.LISTEN_ADDRESS);
createServer((request, response) => { response.statusCode = alive ? 200 : 500; response.end(); })
  .listen(process.env.OPERATIONS_PORT, process.env.LISTEN_ADDRESS);
process.on("SIGTERM", () => { console.log("told to end"); process.exit(0); });
console.log("started");
`;

interface Told {
  uid: number;
  env: Record<string, string>;
  secret: string;
  write?: string;
  overwrite?: string;
  token: string;
  ca: string;
  namespace: string;
}

function deployment(replicas: number): Record<string, unknown> {
  return {
    metadata: { name: "server" },
    spec: {
      replicas,
      selector: { matchLabels: LABELS },
      template: {
        metadata: { labels: LABELS },
        spec: {
          nodeSelector: { pool: NAMESPACE },
          tolerations: [{ key: "pool", operator: "Exists" }],
          terminationGracePeriodSeconds: 30,
          securityContext: { runAsUser: 65532, fsGroup: 65532 },
          containers: [
            {
              name: "dispatcher",
              image: "node",
              command: ["node", "/opt/server/server.js"],
              env: [
                { name: "SECRETS_PATH", value: "/etc/server/secrets" },
                { name: "SERVICE_ACCOUNT", value: "/var/run/secrets/kubernetes.io/serviceaccount" },
                { name: "PORT", value: "8080" },
                { name: "OPERATIONS_PORT", value: "8081" },
                { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
                { name: "GREETING", value: "hello $(POD_NAME), $$5" },
              ],
              ports: [
                { name: "webhook", containerPort: 8080 },
                { name: "operations", containerPort: 8081 },
              ],
              readinessProbe: { httpGet: { path: "/readyz", port: "webhook" }, periodSeconds: 1 },
              livenessProbe: { httpGet: { path: "/", port: 8081 }, periodSeconds: 1, failureThreshold: 2 },
              lifecycle: { preStop: { sleep: { seconds: 10 } } },
              volumeMounts: [
                { name: "code", mountPath: "/opt/server" },
                { name: "secrets", mountPath: "/etc/server/secrets" },
              ],
            },
          ],
          volumes: [
            { name: "code", configMap: { name: "code" } },
            { name: "secrets", secret: { secretName: "secrets", defaultMode: 0o440 } },
          ],
        },
      },
    },
  };
}

describe("the stand-in for the dispatcher's pods", function () {
  this.timeout(90_000);

  let client: KubernetesClient;
  let pods: DispatcherPods;
  let logFolder: string;
  const problems: unknown[] = [];

  const ask = async (path = "/"): Promise<Told> => {
    const response = await fetch(`${pods.targets()[0] ?? ""}${path}`);
    const text = await response.text();
    return (text === "" ? {} : JSON.parse(text)) as Told;
  };
  const targets = (count: number): Promise<true> =>
    until(`${count} targets`, () => pods.targets().length === count || undefined);
  const podObjects = async (): Promise<Pod[]> => (await client.request<{ items: Pod[] }>("GET", `${API}/pods`)).items;
  const scale = (replicas: number): Promise<unknown> =>
    client.request("PATCH", `${DEPLOYMENTS}/server`, {
      contentType: "application/merge-patch+json",
      body: { spec: { replicas } },
    });

  before(async () => {
    client = await administrator();
    const { server } = await sharedControlPlane();
    await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: NAMESPACE } } });
    await kwokNode(client, `${NAMESPACE}-node`, NAMESPACE);
    logFolder = await mkdtemp(join(tmpdir(), "dispatcher-pods-test-"));
    pods = new DispatcherPods({
      client,
      server,
      logFolder,
      timeScale: 50,
      labelSelector: "app.kubernetes.io/component=webhook-dispatcher-test",
      onError: (error) => problems.push(error),
    });
    await pods.start();
    await client.request("POST", `${API}/configmaps`, {
      body: { metadata: { name: "code" }, data: { "server.js": SERVER } },
    });
    await client.request("POST", DEPLOYMENTS, { body: deployment(1) });
  });

  after(async () => {
    await pods.stop();
    await client.request("DELETE", `/api/v1/nodes/${NAMESPACE}-node`);
    await client.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
    await rm(logFolder, { recursive: true });
    assert.deepEqual(problems, []);
  });

  it("waits with a reason while a Secret is missing, and starts once it is there", async () => {
    const waiting = await until("a pod that waits", async () => {
      const state = (await podObjects())[0]?.status?.containerStatuses?.[0]?.state;
      return state?.waiting?.message;
    });
    assert.equal(waiting, 'secret "secrets" not found');
    await client.request("POST", `${API}/secrets`, {
      body: { metadata: { name: "secrets" }, stringData: { current: "first" } },
    });
    await targets(1);
  });

  it("gives the process what the pod's object says: mounts, environment, token, and nothing to write to", async () => {
    const told = await ask();
    const pod = (await podObjects())[0];
    assert.equal(told.secret, "first");
    assert.equal(told.env["GREETING"], `hello ${pod?.metadata.name ?? ""}, $5`);
    assert.match(told.ca, /^-----BEGIN CERTIFICATE-----$/);
    assert.equal(told.namespace, NAMESPACE);
    const claims = JSON.parse(Buffer.from(told.token.split(".")[1] ?? "", "base64url").toString()) as {
      sub: string;
      "kubernetes.io": { pod: { uid: string } };
    };
    assert.equal(claims.sub, `system:serviceaccount:${NAMESPACE}:default`);
    assert.equal(claims["kubernetes.io"].pod.uid, pod?.metadata.uid);
    if (pods.user !== undefined) {
      assert.equal(told.uid, 65532);
      assert.equal(told.write, "EACCES");
      assert.equal(told.overwrite, "EACCES");
    }
    const known = ["SECRETS_PATH", "SERVICE_ACCOUNT", "PORT", "OPERATIONS_PORT", "POD_NAME", "GREETING"];
    const fromKubelet = [
      "PATH",
      "HOME",
      "HOSTNAME",
      "KUBERNETES_SERVICE_HOST",
      "KUBERNETES_SERVICE_PORT",
      "LISTEN_ADDRESS",
    ];
    assert.deepEqual(Object.keys(told.env).sort(), [...known, ...fromKubelet].sort());
  });

  it("reports what the controllers need to make endpoints", async () => {
    await until("the Deployment to be available", async () => {
      const object = await client.request<{ status: { availableReplicas?: number } }>("GET", `${DEPLOYMENTS}/server`);
      return object.status.availableReplicas === 1 || undefined;
    });
    const status = (await podObjects())[0]?.status;
    assert.match(status?.podIP ?? "", /^10\.64\.0\./);
    assert.equal(status?.conditions?.find(({ type }) => type === "Ready")?.status, "True");
  });

  it("changes a Secret's files under the running process", async () => {
    const pid = pods.list()[0]?.pid;
    await client.request("PATCH", `${API}/secrets/secrets`, {
      contentType: "application/merge-patch+json",
      body: { stringData: { current: "second" } },
    });
    await until("the new value", async () => (await ask()).secret === "second" || undefined, 3);
    assert.equal(pods.list()[0]?.pid, pid);
  });

  it("takes a pod that says it is not ready out of the targets", async () => {
    await ask("/fail");
    await targets(0);
    const name = pods.list()[0]?.name ?? "";
    await client.request("DELETE", `${API}/pods/${name}`);
    await targets(1);
    assert.notEqual(pods.list().find(({ ready }) => ready)?.name, name);
  });

  it("starts a process again that exits, and one that fails its liveness probe", async () => {
    const name = pods.list()[0]?.name ?? "";
    for (const [path, restarts] of [
      ["/exit", 1],
      ["/hang", 2],
    ] as const) {
      await ask(path);
      await until(`restart ${restarts}`, async () => {
        const status = (await podObjects()).find(({ metadata }) => metadata.name === name)?.status;
        return (status?.containerStatuses?.[0]?.restartCount === restarts && pods.targets().length === 1) || undefined;
      });
    }
  });

  it("lets a deleted pod end in order, and only then removes it", async () => {
    await scale(2);
    await targets(2);
    const [first] = pods.list();
    await client.request("DELETE", `${API}/pods/${first?.name ?? ""}`);
    await until("the pod to go", async () => {
      const names = (await podObjects()).map(({ metadata }) => metadata.name);
      return names.includes(first?.name ?? "") ? undefined : true;
    });
    assert.match(await readFile(first?.logPath ?? "", "utf8"), /told to end/);
    await targets(2);
  });

  it("leaves no process behind when it is stopped", async () => {
    const pids = pods.list().flatMap(({ pid }) => pid ?? []);
    assert.equal(pids.length, 2);
    await pods.stop();
    for (const pid of pids) {
      assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    }
    assert.deepEqual(pods.targets(), []);
  });
});
