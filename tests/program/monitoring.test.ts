import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { getParts } from "../../lab/parts";
import { PulumiProject } from "../../lab/pulumi/project";
import { administrator, sharedControlPlane } from "../support/control-plane";

const ROOT = join(__dirname, "..", "..");

interface ConfigMap {
  metadata: { name: string; uid: string; labels: Record<string, string> };
  data: Record<string, string>;
}

describe("DispatcherMonitoring in a program, on a real API server", function () {
  this.timeout(180_000);
  let folder: string;
  let project: PulumiProject;
  let client: KubernetesClient;

  before(async () => {
    client = await administrator();
    const { kubeconfigPath } = await sharedControlPlane();
    const { pulumi } = await getParts(["pulumi"], { print: () => undefined });
    folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    const source = join(folder, "source");
    await mkdir(source);
    for (const name of ["components", "dispatcher", "package.json", "tsconfig.json", "tsconfig.program.json"]) {
      await cp(join(ROOT, name), join(source, name), { recursive: true });
    }
    await cp(join(ROOT, "tests", "program", "monitoring", "index.ts"), join(source, "index.ts"));
    await symlink(join(ROOT, "node_modules"), join(source, "node_modules"));
    await writeFile(
      join(source, "Pulumi.yaml"),
      "name: monitoring\nmain: index.ts\nruntime:\n  name: nodejs\n  options:\n    tsconfig: tsconfig.program.json\n",
    );
    await writeFile(join(source, "Pulumi.test.yaml"), "config: {}\n");
    project = await PulumiProject.create({
      source,
      stack: "test",
      workDir: join(folder, "pulumi"),
      pulumi: pulumi.path,
      config: { "monitoring:kubeconfig": kubeconfigPath, "monitoring:replicas": "2" },
      secrets: {},
    });
  });

  after(async () => {
    await project.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it("makes what sidecars find by its label, and changes it in place: none ever sees a file go", async () => {
    const found = async (label: string): Promise<ConfigMap> => {
      const path = `/api/v1/namespaces/${String((await project.outputs())["where"])}/configmaps`;
      const { items } = await client.request<{ items: ConfigMap[] }>("GET", path, { query: { labelSelector: label } });
      const [only, ...more] = items;
      assert.ok(only !== undefined && more.length === 0, label);
      return only;
    };
    const first = await project.up();
    assert.equal(first.ok, true, first.stdout + first.stderr);
    const rules = await found("prometheus_rule=1");
    const dashboard = await found("grafana_dashboard=1");
    assert.match(Object.values(rules.data).join(), / < 2$/m);
    assert.deepEqual((await project.outputs())["names"], [rules.metadata.name, dashboard.metadata.name]);

    await project.setConfig({ "monitoring:replicas": "3" });
    const second = await project.up();
    assert.equal(second.ok, true, second.stdout + second.stderr);
    const changed = await found("prometheus_rule=1");
    assert.match(Object.values(changed.data).join(), / < 3$/m);
    assert.equal(changed.metadata.uid, rules.metadata.uid);
    assert.deepEqual(Object.keys(changed.data), Object.keys(rules.data));
    assert.equal((await found("grafana_dashboard=1")).metadata.uid, dashboard.metadata.uid);
  });
});
