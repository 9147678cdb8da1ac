import assert from "node:assert/strict";
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeAtomically } from "../../lab/kubelet/atomic-folder";
import { containerEnvironment, expand, podField } from "../../lab/kubelet/environment";
import { ContainerConfigError, type EntryReader } from "../../lab/kubelet/keyed-objects";
import type { Container, Pod } from "../../lab/kubelet/pod";
import { Prober } from "../../lab/kubelet/prober";
import { rewrite } from "../../lab/dispatcher-pods/pod-process";
import { until } from "../support/until";

const POD: Pod = {
  metadata: { name: "p", namespace: "ns", uid: "u", annotations: { "a/b": "noted" }, labels: { l: "labelled" } },
  spec: { nodeName: "node", containers: [] },
  status: { podIP: "10.0.0.1" },
};

/** An API with one Secret and one ConfigMap. */
const reader: EntryReader = {
  entries: (kind, name, optional) => {
    const known: Record<string, Map<string, Buffer>> = {
      "secret/s": new Map([["token", Buffer.from("secret value")]]),
      "configmap/c": new Map([["key", Buffer.from("config value")]]),
    };
    const entries = known[`${kind}/${name}`];
    return entries === undefined && optional !== true
      ? Promise.reject(new ContainerConfigError(`${kind} "${name}" not found`))
      : Promise.resolve(entries);
  },
};

const environmentOf = (container: Partial<Container>): Promise<Record<string, string>> =>
  containerEnvironment(POD, { name: "c", ...container }, reader);

describe("a container's environment in the lab", () => {
  it("comes from literals, Secrets, ConfigMaps, fields and resources", async () => {
    const environment = await environmentOf({
      resources: { limits: { memory: "1Gi" } },
      envFrom: [{ prefix: "FROM_", configMapRef: { name: "c" } }],
      env: [
        { name: "PLAIN", value: "x" },
        { name: "TOKEN", valueFrom: { secretKeyRef: { name: "s", key: "token" } } },
        { name: "CONFIG", valueFrom: { configMapKeyRef: { name: "c", key: "key" } } },
        { name: "NOTE", valueFrom: { fieldRef: { fieldPath: "metadata.annotations['a/b']" } } },
        { name: "LABEL", valueFrom: { fieldRef: { fieldPath: "metadata.labels['l']" } } },
        { name: "NONE", valueFrom: { fieldRef: { fieldPath: "metadata.annotations['none']" } } },
        { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
        { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
        { name: "BOTH", value: "$(PLAIN)/$(TOKEN)/$(UNKNOWN)/$$(PLAIN)" },
        { name: "MAYBE", valueFrom: { secretKeyRef: { name: "none", key: "k", optional: true } } },
      ],
    });
    assert.deepEqual(environment, {
      FROM_key: "config value",
      PLAIN: "x",
      TOKEN: "secret value",
      CONFIG: "config value",
      NOTE: "noted",
      LABEL: "labelled",
      NONE: "",
      NODE: "node",
      MEMORY: "1Gi",
      BOTH: "x/secret value/$(UNKNOWN)/$(PLAIN)",
    });
  });

  it("is refused in the kubelet's words when something is missing", async () => {
    const wanting = (name: string, key: string): Promise<unknown> =>
      environmentOf({ env: [{ name: "T", valueFrom: { secretKeyRef: { name, key } } }] });
    await assert.rejects(wanting("none", "token"), { message: 'secret "none" not found' });
    await assert.rejects(wanting("s", "none"), { message: "couldn't find key none in Secret ns/s" });
    assert.throws(() => podField(POD, "spec.volumes"), /unsupported fieldPath/);
  });

  it("expands references as Kubernetes does", () => {
    assert.equal(expand("$(A)$(B) $A $$A $", { A: "1" }), "1$(B) $A $A $");
  });
});

describe("a volume in the lab", () => {
  it("changes all its files in one step, through ..data", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lab-volume-test-"));
    try {
      const write = (files: Record<string, string>): Promise<void> =>
        writeAtomically(folder, new Map(Object.entries(files).map(([k, v]) => [k, Buffer.from(v)])), {
          group: undefined,
          fileMode: 0o440,
        });
      await write({ current: "1", "sub/file": "x" });
      const before = await readlink(join(folder, "..data"));
      assert.equal(await readlink(join(folder, "current")), "..data/current");
      assert.equal((await lstat(join(folder, "..data/current"))).mode & 0o777, 0o440);
      assert.equal(await readFile(join(folder, "sub/file"), "utf8"), "x");
      await write({ current: "2", previous: "1", "sub/file": "x" });
      assert.notEqual(await readlink(join(folder, "..data")), before);
      assert.equal(await readFile(join(folder, "current"), "utf8"), "2");
      assert.equal(await readFile(join(folder, "previous"), "utf8"), "1");
      const left = (await readdir(folder)).filter((name) => name.startsWith("..v"));
      assert.equal(left.length, 1, "the old files are removed");
      await write({ current: "2" });
      assert.deepEqual(
        (await readdir(folder)).filter((name) => !name.startsWith("..")),
        ["current"],
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("replaces mount paths at the start of a value only", () => {
    const mounts = new Map([
      ["/etc/app/secrets", "/tmp/b"],
      ["/etc/app", "/tmp/a"],
    ]);
    assert.equal(rewrite("/etc/app/file", mounts), "/tmp/a/file");
    assert.equal(rewrite("/etc/app/secrets", mounts), "/tmp/b");
    assert.equal(rewrite("/etc/application", mounts), "/etc/application");
    assert.equal(rewrite("--path=/etc/app", mounts), "--path=/etc/app");
  });
});

describe("a probe in the lab", () => {
  let server: Server;
  let status = 200;
  let asked = 0;
  const verdicts: boolean[] = [];

  before(async () => {
    server = createServer((_request, response) => {
      asked += 1;
      response.statusCode = status;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it("changes its verdict after as many results in a row as its thresholds say", async () => {
    const { port } = server.address() as AddressInfo;
    const probe = { httpGet: { path: "/", port: "web" }, periodSeconds: 0.02, failureThreshold: 3 };
    const prober = new Prober(probe, { host: "127.0.0.1", port: () => port }, false, (good) => verdicts.push(good));
    prober.start();
    try {
      await until("ready", () => verdicts.length === 1 || undefined, 2);
      status = 503;
      asked = 0;
      await until("not ready", () => verdicts.length === 2 || undefined, 2);
      assert.ok(asked >= 3, `not ready after ${asked} failures`);
      status = 302;
      await until("ready again", () => verdicts.length === 3 || undefined, 2);
      assert.deepEqual(verdicts, [true, false, true]);
    } finally {
      prober.stop();
    }
  });
});
