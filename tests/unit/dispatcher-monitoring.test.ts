import assert from "node:assert/strict";
import { parse } from "yaml";
import { DispatcherMonitoring, type DispatcherMonitoringArgs } from "../../components";
import type { RuleGroup } from "../../components/monitoring/alert-rules";
import type { Dashboard } from "../../components/monitoring/dashboard";
import type { Configuration } from "../../config";
import { monitoringArgsOf } from "../../stack/monitoring-args";
import * as pulumi from "@pulumi/pulumi";
import { only, registrationsOf } from "../support/mocks";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const TOKEN = "buildkite-scale-to-zero:index:DispatcherMonitoring";
const ARGS: DispatcherMonitoringArgs = { dispatcherNamespace: "ci-dispatcher" };

interface ConfigMapInputs {
  metadata: { name: string; namespace: string; labels: Record<string, string> };
  data: Record<string, string>;
  immutable?: boolean;
}

async function monitoring(args: Partial<DispatcherMonitoringArgs> = {}) {
  const registrations = await registrationsOf(() => new DispatcherMonitoring("monitoring", { ...ARGS, ...args }));
  const inputsOf = (name: string) => only(registrations, CONFIG_MAP, name).inputs as unknown as ConfigMapInputs;
  return {
    registrations,
    rules: inputsOf("monitoring-alert-rules"),
    dashboard: inputsOf("monitoring-dashboard"),
  };
}

describe("DispatcherMonitoring", () => {
  it("makes two ConfigMaps beside the dispatcher, with the labels that the usual sidecars look for, and no more", async () => {
    const { registrations, rules, dashboard } = await monitoring();
    assert.deepEqual(
      registrations.map(({ type }) => type),
      [TOKEN, CONFIG_MAP, CONFIG_MAP],
    );
    assert.ok(registrations.slice(1).every(({ parent }) => parent.includes(TOKEN)));
    assert.equal(rules.metadata.namespace, "ci-dispatcher");
    assert.equal(rules.metadata.labels["prometheus_rule"], "1");
    assert.equal(dashboard.metadata.namespace, "ci-dispatcher");
    assert.equal(dashboard.metadata.labels["grafana_dashboard"], "1");
    assert.equal(rules.metadata.labels["grafana_dashboard"], undefined);
  });

  it("puts them where it is told, with the labels it is told", async () => {
    const { rules, dashboard } = await monitoring({
      namespace: "monitoring",
      alertRulesLabels: { role: "alert-rules" },
      dashboardLabels: { dashboards: "team-ci" },
    });
    assert.equal(rules.metadata.namespace, "monitoring");
    assert.deepEqual(rules.metadata.labels, {
      "app.kubernetes.io/managed-by": "buildkite-scale-to-zero",
      role: "alert-rules",
    });
    assert.equal(dashboard.metadata.labels["dashboards"], "team-ci");
    assert.equal(dashboard.metadata.labels["grafana_dashboard"], undefined);
  });

  it("gives names that never change and differ between stacks, so that a sidecar never loses the new file with the old", async () => {
    const one = await monitoring({ namespace: "monitoring" });
    const again = await monitoring({ namespace: "monitoring", replicas: 3 });
    const other = await monitoring({ namespace: "monitoring", dispatcherNamespace: "qa-dispatcher" });
    for (const part of ["rules", "dashboard"] as const) {
      assert.notEqual(one[part].immutable, true);
      assert.equal(one[part].metadata.name, again[part].metadata.name);
      assert.deepEqual(Object.keys(one[part].data), Object.keys(again[part].data));
      assert.notEqual(one[part].metadata.name, other[part].metadata.name);
      assert.notDeepEqual(Object.keys(one[part].data), Object.keys(other[part].data));
    }
    assert.notDeepEqual(one.rules.data, again.rules.data);
  });

  it("holds one rule file and one dashboard, of this dispatcher, far below a ConfigMap's limit", async () => {
    const { rules, dashboard } = await monitoring({ reconcileSeconds: 20 });
    const [[file, text] = ["", ""], ...more] = Object.entries(rules.data);
    assert.match(file, /\.yaml$/);
    assert.equal(more.length, 0);
    const { groups } = parse(text) as { groups: RuleGroup[] };
    assert.ok(groups.some(({ name }) => name === "ci-dispatcher.buildkite"));
    const [[board, json] = ["", ""]] = Object.entries(dashboard.data);
    assert.match(board, /\.json$/);
    assert.equal((JSON.parse(json) as Dashboard).title, "Buildkite scale to zero: ci-dispatcher");
    assert.ok(text.length + json.length < 200_000);
  });

  it("leaves out what only Buildkite knows where the dispatcher never asks", async () => {
    const [text = ""] = Object.values((await monitoring()).rules.data);
    assert.doesNotMatch(text, /BuildkiteTokenRefused/);
    assert.match(text, /BuildkiteDispatcherDown/);
  });

  const refused: [string, Partial<DispatcherMonitoringArgs>, RegExp][] = [
    ["a namespace that is none", { namespace: "Monitoring" }, /namespace must be a DNS label.*got "Monitoring"/],
    ["no dispatcher", { dispatcherNamespace: "" }, /dispatcherNamespace must be a DNS label/],
    [
      "a label value that is none",
      { alertRulesLabels: { a: "b c" } },
      /alertRulesLabels\.a must be a Kubernetes label value/,
    ],
    [
      "a label key that is none",
      { dashboardLabels: { "a b": "" } },
      /dashboardLabels: key must be a Kubernetes label key/,
    ],
    ["no replica", { replicas: 0 }, /replicas must be a whole number from 1 to 10, got 0/],
    ["a list every two minutes", { reconcileSeconds: 120 }, /reconcileSeconds must be a whole number from 1 to 60/],
  ];
  for (const [what, args, message] of refused) {
    it(`refuses ${what} before it creates anything`, async () => {
      const registrations = await registrationsOf(() => {
        assert.throws(() => new DispatcherMonitoring("monitoring", { ...ARGS, ...args }), message);
      });
      assert.equal(registrations.filter(({ type }) => type.startsWith("kubernetes:")).length, 0);
    });
  }
});

describe("a stack's monitoring", () => {
  const dispatcher = { namespace: pulumi.output("ci-dispatcher") };
  const config = (values: Partial<Configuration>) =>
    ({ dispatcherNamespace: "ci-dispatcher", ...values }) as Configuration;

  it("is about the stack's dispatcher: its replicas, how often it lists, or that it does not", () => {
    const args = monitoringArgsOf(config({ dispatcherReplicas: 3, reconcileSeconds: 30 }), dispatcher);
    assert.equal(args.dispatcherNamespace, "ci-dispatcher");
    assert.equal(args.replicas, 3);
    assert.equal(args.reconcileSeconds, 30);
    assert.equal(monitoringArgsOf(config({}), dispatcher).reconcileSeconds, 10);
    assert.equal(monitoringArgsOf(config({ webhookOnly: true }), dispatcher).reconcileSeconds, undefined);
  });

  it("waits for the dispatcher's namespace where no other is named", () => {
    assert.equal(monitoringArgsOf(config({}), dispatcher).namespace, dispatcher.namespace);
    assert.equal(monitoringArgsOf(config({ monitoringNamespace: "m" }), dispatcher).namespace, "m");
  });
});
