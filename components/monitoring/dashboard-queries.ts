import { METRIC_PREFIX } from "../../dispatcher/metrics";

/** One query of a panel. */
export interface PromqlTarget {
  readonly expr: string;
  /** How its series are called: text with `{{label}}` in it. */
  readonly legend: string;
  /** Only its value now. */
  readonly instant?: boolean;
}

/** Matchers with the dashboard's variables: every panel is about one dispatcher, most about the chosen queues. */
export const OF_NAMESPACE = 'namespace="$namespace"';
export const OF_QUEUES = `${OF_NAMESPACE},queue=~"$queue"`;

/** One of the dispatcher's own metrics. */
export function metric(name: string, matchers: string = OF_NAMESPACE): string {
  return `${METRIC_PREFIX}${name}{${matchers}}`;
}

/** Per second, of all replicas together. */
export function rate(by: string, series: string): string {
  return `sum by (${by}) (rate(${series}[$__rate_interval]))`;
}

/** How many within the panel's step, of all replicas together. */
export function increase(by: string, series: string): string {
  return `sum by (${by}) (increase(${series}[$__rate_interval]))`;
}

/** What each replica knows by itself, and all of them should know alike. */
export function known(by: string, series: string): string {
  return `max by (${by}) (${series})`;
}

/** A quantile of a histogram, of all replicas together; without `by`, of all its series. */
export function quantile(q: number, name: string, matchers: string, by = ""): string {
  const labels = by === "" ? "le" : `le, ${by}`;
  return `histogram_quantile(${q}, sum by (${labels}) (rate(${metric(`${name}_bucket`, matchers)}[$__rate_interval])))`;
}
