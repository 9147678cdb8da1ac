import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { ruleFile, ruleGroups } from "../../components/monitoring/alert-rules";
import { METRIC_PREFIX } from "../../dispatcher/metrics";
import { whyNoPackages } from "../../lab/debian";
import { runChild } from "../../lab/parts/child";
import { getPromtool } from "../../lab/promtool";
import { END, inputSeries, SCENARIOS } from "../support/alert-scenarios";

const NAMESPACE = "ci-dispatcher";
const SCOPE = { namespace: NAMESPACE, replicas: 2, reconcileSeconds: 10 };

describe("the alert rules under promtool", function () {
  this.timeout(300_000);
  let folder: string;
  let promtool: string;

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), "alert-rules-test-"));
    try {
      promtool = await getPromtool();
    } catch (error) {
      const reason = whyNoPackages() ?? `promtool could not be had: ${String(error)}`;
      Object.assign(this, { skipReason: reason });
      this.skip();
    }
    await writeFile(join(folder, "rules.yaml"), ruleFile(SCOPE));
    await writeFile(join(folder, "webhook-only.yaml"), ruleFile({ ...SCOPE, reconcileSeconds: undefined }));
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const run = (commandArguments: string[]) => runChild(promtool, commandArguments, { cwd: folder, env: process.env });

  it("are rules that Prometheus takes", async () => {
    for (const file of ["rules.yaml", "webhook-only.yaml"]) {
      const { code, stdout, stderr } = await run(["check", "rules", "--lint-fatal", file]);
      assert.equal(code, 0, stdout + stderr);
    }
  });

  it("have a scenario each in which they fire", () => {
    const all = ruleGroups(SCOPE).flatMap(({ rules }) => rules.map(({ alert }) => alert));
    assert.deepEqual([...new Set(SCENARIOS.flatMap(({ fires }) => fires))].sort(), all.sort());
  });

  it("fire in the scenarios as they should, and nothing else does", async () => {
    const test = {
      rule_files: ["rules.yaml"],
      evaluation_interval: "1m",
      tests: SCENARIOS.map((scenario) => ({
        name: scenario.name,
        interval: "1m",
        input_series: inputSeries(scenario, NAMESPACE, METRIC_PREFIX),
        promql_expr_test: minutesFrom(scenario.from ?? END).map((minute) => ({
          expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
          eval_time: `${minute}m`,
          exp_samples: scenario.fires.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
        })),
      })),
    };
    await writeFile(join(folder, "test.yaml"), stringify(test, { lineWidth: 0 }));
    const { code, stdout, stderr } = await run(["test", "rules", "test.yaml"]);
    assert.equal(code, 0, stdout + stderr);
  });
});

function minutesFrom(first: number): number[] {
  return Array.from({ length: END - first + 1 }, (_, index) => first + index);
}
