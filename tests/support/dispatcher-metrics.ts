import { createMetrics } from "../../dispatcher/metrics";

/** What Prometheus adds to every series of a target: by the usual configuration for pods, and by the operator's monitors. */
const TARGET_LABELS = ["namespace", "pod", "instance", "job"];

/** Every time series that a dispatcher has, by name, with its labels. */
export async function seriesOfDispatcher(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const metrics = createMetrics("1.2.3");
  metrics.readProcess();
  metrics.read({
    inFlight: () => new Map(),
    held: () => new Map(),
    oldestHeldSeconds: () => 0,
    bufferSize: 1,
    lastContact: () => 0,
    ready: () => true,
    pendingPods: () => new Map(),
    troubles: () => [],
    buildkite: {
      cap: 1,
      queues: () => new Map(),
      listedAt: () => 0,
      tokenRefused: () => false,
      stopped: () => [],
    },
  });
  const series = new Map<string, ReadonlySet<string>>();
  for (const { name, type } of await metrics.registry.getMetricsAsJSON()) {
    // Not in the declarations, and not in what is printed of a metric that has no series yet.
    const { labelNames } = metrics.registry.getSingleMetric(name) as unknown as { labelNames: string[] };
    const labels = [...labelNames, ...TARGET_LABELS];
    if (type.toString() === "histogram") {
      series.set(`${name}_bucket`, new Set([...labels, "le"]));
      series.set(`${name}_count`, new Set(labels));
      series.set(`${name}_sum`, new Set(labels));
    } else {
      series.set(name, new Set(labels));
    }
  }
  return series;
}
