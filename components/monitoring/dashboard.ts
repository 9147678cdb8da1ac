import { createHash } from "node:crypto";
import { METRIC_PREFIX } from "../../dispatcher/metrics";
import { DATASOURCE, laidOut } from "./panel";
import { ROWS } from "./dashboard-rows";

/** A dashboard as Grafana's JSON has it; a test holds it against Grafana's own types. */
export type Dashboard = ReturnType<typeof dashboard>;

/** Of Grafana 12; newer ones bring it up to their own. */
const SCHEMA_VERSION = 41;

/**
 * The dashboard of one dispatcher. Its uid is made from the namespace: two stacks that share a Grafana have two, and each
 * keeps its address through every change.
 */
export function dashboard(namespace: string) {
  const hash = createHash("sha256").update(namespace).digest("hex").slice(0, 12);
  return {
    uid: `scale-to-zero-${hash}`,
    title: `Buildkite scale to zero: ${namespace}`,
    tags: ["buildkite", "buildkite-scale-to-zero"],
    schemaVersion: SCHEMA_VERSION,
    ...{ editable: true, graphTooltip: 1, refresh: "30s", timezone: "browser", weekStart: "", fiscalYearStartMonth: 0 },
    time: { from: "now-3h", to: "now" },
    timepicker: {},
    ...{ annotations: { list: [] }, links: [], liveNow: false, preload: false },
    templating: { list: variables(namespace) },
    panels: laidOut(ROWS),
  };
}

function variables(namespace: string) {
  const ofNamespace = `label_values(${METRIC_PREFIX}build_info, namespace)`;
  const ofQueue = `label_values(${METRIC_PREFIX}jobs_in_flight{namespace="$namespace"}, queue)`;
  return [
    {
      ...{ name: "datasource", label: "Data source", type: "datasource" as const, query: "prometheus" },
      ...{ hide: 0, refresh: 1, regex: "", includeAll: false, multi: false, options: [] },
    },
    {
      ...queried("namespace", "Namespace", ofNamespace),
      ...{ includeAll: false, multi: false, current: { selected: true, text: namespace, value: namespace } },
    },
    {
      ...queried("queue", "Queue", ofQueue),
      ...{ includeAll: true, allValue: ".*", multi: true },
      current: { selected: true, text: ["All"], value: ["$__all"] },
    },
  ];
}

function queried(name: string, label: string, definition: string) {
  return {
    ...{ name, label, definition, type: "query" as const, datasource: DATASOURCE, options: [] },
    ...{ hide: 0, refresh: 2, regex: "", sort: 1 },
    query: { query: definition, refId: `${name}-variable` },
  };
}
