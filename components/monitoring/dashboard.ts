import { createHash } from "node:crypto";
import { METRIC_PREFIX } from "../../dispatcher/metrics";
import { DATASOURCE, laidOut, type Panel } from "./panel";
import { ROWS } from "./dashboard-rows";

/** A dashboard as Grafana's JSON has it; the fields that are used here. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly [field: string]: unknown;
}

/** A variable of a dashboard. */
export interface Variable {
  readonly name: string;
  readonly type: "datasource" | "query";
  readonly [field: string]: unknown;
}

/** Of Grafana 12; older ones back to 9 read it, newer ones bring it up to theirs. */
const SCHEMA_VERSION = 41;

/**
 * The dashboard of one dispatcher. Its uid is made from the namespace: two stacks that share a Grafana have two, and each
 * keeps its address through every change.
 */
export function dashboard(namespace: string): Dashboard {
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

function variables(namespace: string): Variable[] {
  const ofNamespace = `label_values(${METRIC_PREFIX}build_info, namespace)`;
  const ofQueue = `label_values(${METRIC_PREFIX}jobs_in_flight{namespace="$namespace"}, queue)`;
  const queryOf = (name: string, label: string, query: string): Variable => ({
    ...{
      name,
      label,
      type: "query",
      datasource: DATASOURCE,
      definition: query,
      hide: 0,
      refresh: 2,
      regex: "",
      sort: 1,
    },
    query: { query, refId: `${name}-variable` },
    options: [],
  });
  return [
    {
      ...{ name: "datasource", label: "Data source", type: "datasource", query: "prometheus", hide: 0, refresh: 1 },
      ...{ regex: "", includeAll: false, multi: false, options: [], current: {} },
    },
    {
      ...queryOf("namespace", "Namespace", ofNamespace),
      ...{ includeAll: false, multi: false, current: { selected: true, text: namespace, value: namespace } },
    },
    {
      ...queryOf("queue", "Queue", ofQueue),
      ...{
        includeAll: true,
        allValue: ".*",
        multi: true,
        current: { selected: true, text: ["All"], value: ["$__all"] },
      },
    },
  ];
}
