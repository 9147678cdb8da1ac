import { stringify } from "yaml";
import { type AlertRule, type MonitoringScope } from "./alert";
import { buildkiteAlerts } from "./buildkite-alerts";
import { jobAlerts } from "./job-alerts";
import { processAlerts } from "./process-alerts";
import { webhookAlerts } from "./webhook-alerts";

/** A group of rules as Prometheus reads it. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly AlertRule[];
}

/** Every alert of one dispatcher. Without reconciling those that need Buildkite's word are left out. */
export function ruleGroups(scope: MonitoringScope): RuleGroup[] {
  const { reconcileSeconds } = scope;
  const group = (part: string, rules: AlertRule[]): RuleGroup => ({ name: `${scope.namespace}.${part}`, rules });
  return [
    group("process", processAlerts(scope)),
    ...(reconcileSeconds === undefined ? [] : [group("buildkite", buildkiteAlerts(scope, reconcileSeconds))]),
    group("webhooks", webhookAlerts(scope)),
    group("jobs", jobAlerts(scope)),
  ];
}

/** A rule file: what `promtool check rules` takes. */
export function ruleFile(scope: MonitoringScope): string {
  return stringify({ groups: ruleGroups(scope) }, { lineWidth: 0 });
}
