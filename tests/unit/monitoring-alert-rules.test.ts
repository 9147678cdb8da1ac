import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { type MonitoringScope } from "../../components/monitoring/alert";
import { ruleFile, ruleGroups, type RuleGroup } from "../../components/monitoring/alert-rules";
import { seriesOfDispatcher } from "../support/dispatcher-metrics";
import { labelsIn, readExpression } from "../support/promql";

const ROOT = join(__dirname, "..", "..");
const SCOPE: MonitoringScope = { namespace: "ci-dispatcher", replicas: 2, reconcileSeconds: 10 };
const alerts = (scope: MonitoringScope) => ruleGroups(scope).flatMap(({ rules }) => rules);

describe("the alert rules", () => {
  let series: ReadonlyMap<string, ReadonlySet<string>>;
  const labelsOf = (metric: string): ReadonlySet<string> => {
    const labels = series.get(metric);
    assert.ok(labels, `the dispatcher has no metric ${metric}`);
    return labels;
  };
  before(async () => {
    series = await seriesOfDispatcher();
  });

  for (const { alert, expr, annotations } of alerts(SCOPE)) {
    it(`${alert} asks for metrics and labels that there are, of its own namespace only`, () => {
      const { labels, selectors } = readExpression(expr, labelsOf);
      assert.ok(selectors.length > 0);
      assert.equal(expr.split('{namespace="ci-dispatcher"').length - 1, selectors.length);
      for (const label of labelsIn(annotations.summary + annotations.description)) {
        assert.ok(labels?.has(label), `its text names label ${label}, its result has ${[...(labels ?? [])].join()}`);
      }
    });
  }

  it("are told apart by their names, and say when, how bad and what", () => {
    const names = alerts(SCOPE).map(({ alert }) => alert);
    assert.equal(new Set(names).size, names.length);
    for (const rule of alerts(SCOPE)) {
      assert.match(rule.alert, /^Buildkite[A-Z][A-Za-z]+$/);
      assert.match(rule.for, /^\d+m$/);
      assert.ok(["critical", "warning"].includes(rule.labels.severity));
      assert.match(rule.annotations.description, /^[A-Z0-9{].*\.$/);
    }
  });

  it("lead to a heading of the runbook each, which has none for alerts that are gone", () => {
    const headings = [...readFileSync(join(ROOT, "docs/operations.md"), "utf8").matchAll(/^### (Buildkite\w+)$/gm)];
    const runbook = headings.map(([, heading = ""]) => heading).sort();
    assert.deepEqual(
      runbook,
      alerts(SCOPE)
        .map(({ alert }) => alert)
        .sort(),
    );
    for (const { alert, annotations } of alerts(SCOPE)) {
      const [document = "", anchor] = annotations.runbook.split("#");
      assert.ok(existsSync(join(ROOT, document)), annotations.runbook);
      assert.equal(anchor, alert.toLowerCase());
    }
  });

  it("are a rule file that says the same", () => {
    const { groups } = parse(ruleFile(SCOPE)) as { groups: RuleGroup[] };
    assert.deepEqual(groups, ruleGroups(SCOPE));
    assert.equal(new Set(groups.map(({ name }) => name)).size, groups.length);
  });

  it("ask for nothing that only Buildkite knows where it is never asked", () => {
    const webhookOnly = alerts({ ...SCOPE, reconcileSeconds: undefined });
    assert.ok(webhookOnly.length > 5);
    for (const { alert, expr } of webhookOnly) {
      assert.doesNotMatch(expr, /buildkite_dispatcher_(buildkite_|queue_|waiting_at|oldest_waiting|not_served)/, alert);
    }
    assert.ok(alerts(SCOPE).some(({ expr }) => expr.includes("buildkite_dispatcher_buildkite_token_refused")));
  });

  it("take a list for stale after three intervals, and never before two minutes", () => {
    const staleAfter = (reconcileSeconds: number): string =>
      alerts({ ...SCOPE, reconcileSeconds }).find(({ alert }) => alert === "BuildkiteListStale")?.expr ?? "";
    assert.match(staleAfter(10), / > 120$/);
    assert.match(staleAfter(60), / > 180$/);
  });

  it("know the replicas and the memory that the Deployment has", () => {
    const expr = (alert: string): string | undefined =>
      alerts({ ...SCOPE, replicas: 3 }).find((rule) => rule.alert === alert)?.expr;
    assert.match(expr("BuildkiteDispatcherReplicaMissing") ?? "", / < 3$/);
    assert.match(expr("BuildkiteDispatcherMemoryHigh") ?? "", new RegExp(` > ${0.85 * 256 * 1024 * 1024}$`));
  });
});

describe("the reader of expressions", () => {
  const labelsOf = (metric: string): ReadonlySet<string> => {
    assert.match(metric, /^known/);
    return new Set(["namespace", "queue"]);
  };
  const wrong: [string, RegExp][] = [
    ["sum(", /does not parse/],
    ["known{queue=}", /does not parse|no label/],
    ["unknown_total", /known/],
    ['known{cause="a"}', /no label cause/],
    ["sum by (cause) (known)", /no label cause/],
    ["max by (namespace) (known) == 1 unless on (queue) known", /no label queue/],
    ["sum by (namespace) (known) / known", /different labels/],
    ["histogram_quantile(0.5, known)", /no label le/],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${text}`, () => {
      assert.throws(() => readExpression(text, labelsOf), message);
    });
  }

  it("follows labels to the result", () => {
    const { labels } = readExpression("max by (queue) (known) > 1 and on (queue) known", labelsOf);
    assert.deepEqual(labels, new Set(["queue"]));
  });
});
