import assert from "node:assert/strict";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { PulumiProject } from "../../lab/pulumi/project";
import { administrator } from "../support/control-plane";
import { smallProgram, type SmallProgram } from "../support/small-program";

interface ConfigMap {
  metadata: { name: string; uid: string; labels: Record<string, string> };
  data: Record<string, string>;
}

describe("DispatcherMonitoring in a program, on a real API server", function () {
  this.timeout(180_000);
  let program: SmallProgram;
  let project: PulumiProject;
  let client: KubernetesClient;

  before(async () => {
    client = await administrator();
    program = await smallProgram("monitoring", { replicas: "2" });
    ({ project } = program);
  });

  after(async () => {
    await program.remove();
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
