import { METRIC_PREFIX } from "../../dispatcher/metrics";
import type { Sign } from "../../dispatcher/trouble-sources";

/** Whose metrics the rules and the dashboard are about. */
export interface MonitoringScope {
  /** The dispatcher's namespace, as Prometheus' target label `namespace` has it: it tells stacks apart. */
  readonly namespace: string;
  /** Replicas of the dispatcher. */
  readonly replicas: number;
  /** Seconds from one list at Buildkite to the next; `undefined` where the dispatcher never asks Buildkite. */
  readonly reconcileSeconds?: number;
}

/** An alerting rule as Prometheus reads it. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  /** How long the expression holds before the alert fires. */
  readonly for: string;
  readonly labels: { readonly severity: "critical" | "warning" };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    /** Where to read what it means and what to do. */
    readonly runbook: string;
  };
}

/** What tells a rule from others; the rest is the same for all. */
export interface AlertText {
  readonly alert: string;
  readonly severity: AlertRule["labels"]["severity"];
  readonly expr: string;
  readonly for: string;
  readonly summary: string;
  readonly description: string;
}

/** The document with one heading for each alert, named as the alert is. */
export const RUNBOOK = "docs/operations.md";

/** Makes the rule, and its way into the runbook. */
export function alertRule({ alert, severity, expr, for: held, summary, description }: AlertText): AlertRule {
  return {
    alert,
    expr,
    for: held,
    labels: { severity },
    annotations: { summary, description, runbook: `${RUNBOOK}#${alert.toLowerCase()}` },
  };
}

/** Selects one of the dispatcher's own metrics in its namespace. @param matchers further ones, as PromQL has them. */
export function own({ namespace }: Pick<MonitoringScope, "namespace">, name: string, matchers = ""): string {
  return selected(namespace, METRIC_PREFIX + name, matchers);
}

/** Selects one of the metrics that every Node process has. */
export function ofProcess({ namespace }: Pick<MonitoringScope, "namespace">, name: string): string {
  return selected(namespace, name, "");
}

/** From a process' start to its first scrape, at most. */
const FIRST_SCRAPE_SECONDS = 120;

/**
 * What a counter gained in the last minutes. `increase` alone does not see a series' first value, and here the first is the
 * one that matters: a counter with labels is born with 1. It counts only where it is certain that the series is new: its pod
 * was scraped when the window began and did not have it, or its process is not older than that. After a gap, or where
 * Prometheus comes later than the dispatcher, a series that is there for the first time may hold the failures of weeks. The
 * price: while the window begins in a gap nothing is new, so a first failure soon after a gap longer than the window is told
 * late, and one within it not at all.
 */
export function gained(scope: Pick<MonitoringScope, "namespace">, by: string, series: string, minutes: number): string {
  const window = `${minutes}m`;
  const started = ofProcess(scope, "process_start_time_seconds");
  const young = `time() - ${started} < ${60 * minutes + FIRST_SCRAPE_SECONDS}`;
  const born = `${series} unless (${series} offset ${window}) and on (namespace, pod) ((${started} offset ${window}) or ${young})`;
  return `sum by (${by}) ((${born}) or increase(${series}[${window}]))`;
}

/** Replicas that hear nothing of the API server. */
export function unheard(scope: Pick<MonitoringScope, "namespace">): string {
  return `time() - ${own(scope, "kubernetes_last_contact_timestamp_seconds")} > 180`;
}

/** Holds while any replica tells of the trouble. */
export function trouble(scope: Pick<MonitoringScope, "namespace">, part: Sign["part"], cause: string): string {
  return `max by (namespace) (${own(scope, "trouble", `part="${part}",cause="${cause}"`)}) == 1`;
}

function selected(namespace: string, name: string, matchers: string): string {
  return `${name}{namespace=${JSON.stringify(namespace)}${matchers === "" ? "" : `,${matchers}`}}`;
}
