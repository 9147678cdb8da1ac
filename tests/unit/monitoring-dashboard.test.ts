import assert from "node:assert/strict";
import type * as grafana from "@grafana/schema";
import { ruleGroups } from "../../components/monitoring/alert-rules";
import { dashboard } from "../../components/monitoring/dashboard";
import type { GridPosition } from "../../components/monitoring/panel";
import { METRIC_PREFIX } from "../../dispatcher/metrics";
import { seriesOfDispatcher } from "../support/dispatcher-metrics";
import { labelsIn, readExpression } from "../support/promql";

/** What neither an alert nor a panel asks for, on purpose, and why. */
const UNUSED: Readonly<Record<string, string>> = {
  [`${METRIC_PREFIX}job_token_requests_total`]:
    "job acquisition tokens are off by default, and never tried on a real organisation",
};

interface Target {
  refId: string;
  expr: string;
  legendFormat: string;
}

/** With Grafana's variables filled in, as Prometheus gets it. */
function filledIn(expr: string): string {
  return expr.replaceAll("$__rate_interval", "2m").replaceAll("$namespace", "ci").replaceAll("$queue", "a|b");
}

function overlap(a: GridPosition, b: GridPosition): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe("the dashboard", () => {
  const { panels, ...rest } = dashboard("ci-dispatcher");
  const charts = panels.filter(({ type }) => type !== "row");
  const targetsOf = (panel: (typeof panels)[number]): Target[] => ("targets" in panel ? panel.targets : []);
  let series: ReadonlyMap<string, ReadonlySet<string>>;
  const labelsOf = (metric: string): ReadonlySet<string> => {
    const labels = series.get(metric);
    assert.ok(labels, `the dispatcher has no metric ${metric}`);
    return labels;
  };
  before(async () => {
    series = await seriesOfDispatcher();
  });

  it("is what Grafana's own types call a dashboard", () => {
    // The compiler says so: `npm run check`. An enum of theirs takes no plain number.
    const typed: Omit<grafana.Dashboard, "graphTooltip"> = dashboard("ci-dispatcher");
    assert.equal(typed.panels?.length, panels.length);
  });

  it("is JSON that holds no undefined and stays the same", () => {
    assert.deepEqual(JSON.parse(JSON.stringify(dashboard("ci-dispatcher"))), dashboard("ci-dispatcher"));
  });

  it("has an address of its own for each dispatcher", () => {
    assert.match(rest.uid, /^[a-z0-9-]{1,40}$/);
    assert.notEqual(dashboard("a").uid, dashboard("b").uid);
    assert.notEqual(dashboard("a").title, dashboard("b").title);
  });

  it("numbers its panels, and puts none on another or beyond the grid", () => {
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const [index, { title, gridPos }] of panels.entries()) {
      assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24 && gridPos.w > 0 && gridPos.h > 0, title);
      for (const other of panels.slice(index + 1)) {
        assert.ok(!overlap(gridPos, other.gridPos), `${title} lies on ${other.title}`);
      }
    }
    assert.ok(charts.length > 20);
  });

  it("names no data source but the one that is chosen", () => {
    const named = [...JSON.stringify({ ...rest, panels }).matchAll(/"datasource":(\{.*?"\}|[^{].*?[,}])/g)];
    assert.ok(named.length > panels.length);
    for (const [, datasource = ""] of named) {
      assert.equal(datasource, '{"type":"prometheus","uid":"${datasource}"}');
    }
  });

  it("has variables for what its queries refer to, and refers to each", () => {
    assert.deepEqual(
      rest.templating.list.map(({ name }) => name),
      ["datasource", "namespace", "queue"],
    );
    const text = JSON.stringify(panels);
    const used = new Set([...text.matchAll(/\$\{?([a-z][a-z_]*)\}?/g)].map(([, name = ""]) => name));
    assert.deepEqual(used, new Set(["datasource", "namespace", "queue"]));
  });

  for (const panel of charts) {
    it(`shows in "${panel.title}" what the dispatcher has`, () => {
      const targets = targetsOf(panel);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length);
      for (const { expr, legendFormat } of targets) {
        const { labels, selectors } = readExpression(filledIn(expr), labelsOf);
        assert.ok(selectors.every((it) => it.labels.includes("namespace")));
        for (const label of labelsIn(legendFormat)) {
          assert.ok(
            labels?.has(label),
            `its legend names label ${label}, its result has ${[...(labels ?? [])].join()}`,
          );
        }
      }
    });
  }

  it("or an alert uses every metric that the dispatcher has", () => {
    const rules = ruleGroups({ namespace: "ci", replicas: 2, reconcileSeconds: 10 }).flatMap((group) => group.rules);
    const expressions = [...rules, ...charts.flatMap(targetsOf)].map(({ expr }) => filledIn(expr));
    const used = new Set(
      expressions.flatMap((it) => readExpression(it, labelsOf).selectors.map(({ metric }) => metric)),
    );
    const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, "");
    const usedNames = new Set([...used].map(base));
    const own = new Set([...series.keys()].filter((name) => name.startsWith(METRIC_PREFIX)).map(base));
    assert.deepEqual(
      [...own].filter((name) => !usedNames.has(name)),
      Object.keys(UNUSED),
    );
  });
});
