import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import { FakeGcp } from "../../lab/gcp";
import { getParts } from "../../lab/parts";
import { createAdminToken } from "../../lab/pulumi/cluster-credential/admin-token";
import { PulumiProject, type OperationResult } from "../../lab/pulumi/project";
import type { Properties } from "../../lab/pulumi/provider-protocol/property-values";
import { administrator, sharedControlPlane } from "../support/control-plane";
import { until } from "../support/until";

const NAMESPACE = "fixture-agents";
const TOKEN = "bkct_throwaway-token-of-this-test";

/** What happened to resources that did not stay the same, as `op name: paths`. */
function changed(result: OperationResult): string[] {
  return result.resources
    .filter(({ op }) => op !== "same" && op !== "refresh")
    .map(
      ({ op, type, urn, diffs = [] }) =>
        `${op} ${type.split(":").pop() ?? ""} ${urn.split("::").pop() ?? ""}: ${diffs.join(" ")}`,
    )
    .sort();
}

function succeeded(result: OperationResult): OperationResult {
  assert.equal(result.ok, true, `${result.stdout}\n${result.stderr}`);
  return result;
}

describe("a program under the ordinary Pulumi CLI, with the provider doubles", function () {
  this.timeout(60_000);
  let folder: string;
  let client: KubernetesClient;
  let gcp: FakeGcp;
  let project: PulumiProject;
  /** What the providers said while the operations ran. */
  const said: string[] = [];

  function createProject(name: string, more: { signal?: AbortSignal } = {}): Promise<PulumiProject> {
    return pulumi().then((cli) =>
      PulumiProject.create({
        source: join(__dirname, "fixtures", "program"),
        stack: "dev",
        workDir: join(folder, name),
        pulumi: cli,
        env: { LAB_GCP_URL: gcp.url, LAB_CLUSTER_CREDENTIAL: join(folder, "credential") },
        config: { "gcp:project": "lab-project" },
        secrets: { "lab-fixture:agentToken": TOKEN },
        print: (line) => said.push(line),
        ...more,
      }),
    );
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-pulumi-"));
    client = await administrator();
    const { server, caPem } = (await sharedControlPlane()).adminKubeconfig;
    gcp = new FakeGcp();
    await gcp.start();
    const endpoint = new URL(server).host;
    gcp.addCluster({ project: "lab-project", location: "europe-west1", name: "builds", endpoint, caPem });
    await writeFile(join(folder, "credential"), await createAdminToken(client), { mode: 0o600 });
    project = await createProject("work");
  });

  after(async () => {
    await project.remove();
    await gcp.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function inNamespace(resource: string): Promise<Properties> {
    return client.request<Properties>("GET", `/api/v1/namespaces/${NAMESPACE}/${resource}`);
  }

  const namespace = () => client.request("GET", `/api/v1/namespaces/${NAMESPACE}`);

  it("previews without touching anything", async () => {
    const result = succeeded(await project.preview());
    assert.deepEqual(result.changes, { create: 16 });
    assert.deepEqual(gcp.resourceIds(), []);
    await assert.rejects(namespace(), (error) => error instanceof KubernetesError && error.status === 404);
    assert.doesNotMatch(result.stdout + result.stderr, /warning/);
  });

  it("creates what the program declares, on the cluster that the look-up answered with", async () => {
    const result = succeeded(await project.up());
    assert.deepEqual(result.changes, { create: 16 });
    const secret = await inNamespace("secrets/agent-token");
    assert.deepEqual(secret["data"], { token: Buffer.from(TOKEN).toString("base64") });
    const [pool, ...others] = gcp.nodePools();
    assert.deepEqual(others, []);
    assert.deepEqual(pool?.inputs["autoscaling"], {
      totalMinNodeCount: 0,
      totalMaxNodeCount: 3,
      locationPolicy: "ANY",
    });
    assert.deepEqual(await project.outputs(), { agentToken: "[secret]", poolName: pool.name });
  });

  it("finds nothing to change afterwards, neither in the program nor in the world", async () => {
    assert.deepEqual(succeeded(await project.refresh({ expectNoChanges: true })).changes, { same: 16 });
    assert.deepEqual(succeeded(await project.preview({ expectNoChanges: true })).changes, { same: 16 });
  });

  it("sees on a refresh what somebody changed by hand", async () => {
    const [pool] = gcp.nodePools();
    gcp.editNodePool(pool?.id ?? "", (inputs) => ({
      ...inputs,
      autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 100, locationPolicy: "ANY" },
    }));
    await client.request("PATCH", `/api/v1/namespaces/${NAMESPACE}/resourcequotas/${await quotaName()}`, {
      contentType: "application/merge-patch+json",
      body: { spec: { hard: { "count/jobs.batch": "1" } } },
    });
    const result = succeeded(await project.refresh());
    assert.deepEqual(result.changes, { same: 14, update: 2 });
    const paths = result.resources.flatMap(({ diffs = [] }) => diffs).sort();
    assert.deepEqual(paths, ["autoscaling.totalMaxNodeCount", 'spec.hard["count/jobs.batch"]']);
  });

  async function quotaName(): Promise<string> {
    const { items } = (await inNamespace("resourcequotas")) as { items: { metadata: { name: string } }[] };
    return items[0]?.metadata.name ?? "";
  }

  it("puts it back, and changes in place what can be", async () => {
    await project.setConfig({ "lab-fixture:maxNodes": "5", "lab-fixture:agentImage": "buildkite/agent:4" });
    const result = succeeded(await project.up());
    assert.deepEqual(changed(result), [
      "update NodePool agents: autoscaling.totalMaxNodeCount",
      "update PodTemplate default: template.spec.containers[0].image",
      'update ResourceQuota jobs: spec.hard["count/jobs.batch"]',
    ]);
    assert.equal((gcp.nodePools()[0]?.inputs["autoscaling"] as Properties)["totalMaxNodeCount"], 5);
  });

  it("replaces what cannot be changed: the new one first, and what refers to it follows", async () => {
    const before = gcp.nodePools()[0]?.name;
    await project.setConfig({ "lab-fixture:spot": "false", "lab-fixture:settings": '{"a":1}' });
    const result = succeeded(await project.up());
    const { replace, update } = result.changes;
    assert.deepEqual({ replace, update }, { replace: 2, update: 1 });
    const ops = (name: string) => result.resources.filter(({ urn }) => urn.endsWith(`::${name}`)).map(({ op }) => op);
    assert.deepEqual(ops("settings"), ["create-replacement", "replace", "delete-replaced"]);
    assert.deepEqual(
      gcp.nodePools().map(({ name }) => name === before),
      [false],
    );
  });

  it("refuses at preview what Google would refuse, in its words", async () => {
    await project.setConfig({ "lab-fixture:taintEffect": "NoSchedule" });
    const result = await project.preview();
    await project.setConfig({ "lab-fixture:taintEffect": "NO_SCHEDULE" });
    assert.equal(result.ok, false);
    assert.match(result.stdout, /nodeConfig\.taints\.0\.effect.*must be NO_SCHEDULE, PREFER_NO_SCHEDULE or NO_EXECUTE/);
  });

  it("refuses at preview what the API server would refuse, in its words", async () => {
    await project.setConfig({ "lab-fixture:expression": "object.spec.nothing(" });
    const result = await project.preview();
    await project.setConfig({ "lab-fixture:expression": "object.spec.backoffLimit == 0" });
    assert.equal(result.ok, false);
    assert.match(
      result.diagnostics.map(({ message }) => message).join("\n"),
      /ValidatingAdmissionPolicy.*compilation failed/s,
    );
  });

  it("keeps secrets encrypted in the state, and out of everything else it writes", async () => {
    const state = JSON.parse(await project.exportState()) as { deployment: { resources: { type: string }[] } };
    const secret = state.deployment.resources.find(({ type }) => type === "kubernetes:core/v1:Secret");
    assert.match(JSON.stringify(secret), /"ciphertext"/);
    const files = project.evidence();
    assert.ok(files.some((file) => file.endsWith("events.jsonl")) && files.some((file) => file.includes("history")));
    for (const file of files) {
      const text = await readFile(file, "utf8");
      assert.equal(text.includes(TOKEN), false, file);
      assert.equal(text.includes(Buffer.from(TOKEN).toString("base64")), false, file);
    }
  });

  it("destroys everything, and says what it waits for", async () => {
    said.length = 0;
    succeeded(await project.destroy());
    assert.match(said.join("\n"), /^agents: .*finalizers/m);
    assert.deepEqual(await project.urns(), []);
    assert.deepEqual(gcp.resourceIds(), []);
    await assert.rejects(namespace(), (error) => error instanceof KubernetesError && error.status === 404);
  });

  it("leaves no process when it is stopped in the middle", async () => {
    const stop = new AbortController();
    const stopped = await createProject("stopped", { signal: stop.signal });
    const operation = stopped.preview();
    const work = join(folder, "stopped");
    await until("the program runs", async () => (await processesWith(work)).length >= 3 || undefined, 40);
    stop.abort(new Error("stop"));
    assert.equal((await operation).ok, false);
    await until("they are gone", async () => (await processesWith(work)).length === 0 || undefined, 5);
    await stopped.remove();
    assert.deepEqual((await readdir(folder)).sort(), ["credential", "work"]);
  });

  it("leaves no plugin and no program behind when the CLI is killed", async () => {
    const killed = await createProject("killed");
    const operation = killed.preview();
    const work = join(folder, "killed");
    // The CLI, the language host, the program and the first provider.
    await until("they all run", async () => (await processesWith(work)).length >= 4 || undefined, 40);
    const cli = (await processesWith(work)).find((line) => line.includes("--event-log"));
    process.kill(Number.parseInt(cli ?? "", 10), "SIGKILL");
    assert.equal((await operation).exitCode, 137);
    await until("they are gone", async () => (await processesWith(work)).length === 0 || undefined, 5);
    await killed.remove();
  });
});

/** Processes that work in a folder or were started with it in their arguments. */
async function processesWith(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (pid !== String(process.pid) && (commandLine.includes(folder) || cwd.startsWith(folder))) {
      found.push(`${pid} ${commandLine.replaceAll("\0", " ")}`);
    }
  }
  return found;
}

async function pulumi(): Promise<string> {
  const { pulumi: cli } = await getParts(["pulumi"], { print: () => undefined });
  return cli.path;
}
