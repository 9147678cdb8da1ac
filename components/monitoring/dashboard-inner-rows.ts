import { increase, metric, OF_NAMESPACE, quantile, rate } from "./dashboard-queries";
import { chart, type PanelRow } from "./panel";

/** What is asked, and how it is answered. */
export const CALLS: PanelRow = {
  title: "Buildkite and the API server",
  height: 8,
  panels: [
    {
      ...chart("Calls to Buildkite", "By call and answer."),
      unit: "reqps",
      targets: [{ expr: rate("call, code", metric("buildkite_request_seconds_count")), legend: "{{call}} {{code}}" }],
    },
    {
      ...chart("Buildkite's latency, p99", "By call."),
      unit: "s",
      targets: [{ expr: quantile(0.99, "buildkite_request_seconds", OF_NAMESPACE, "call"), legend: "{{call}}" }],
    },
    {
      ...chart("Requests to the API server", "By verb, resource and answer."),
      unit: "reqps",
      targets: [
        {
          expr: rate("verb, resource, code", metric("kubernetes_request_seconds_count")),
          legend: "{{verb}} {{resource}} {{code}}",
        },
      ],
    },
    {
      ...chart("The API server's latency, p99", "By verb and resource."),
      unit: "s",
      targets: [
        {
          expr: quantile(0.99, "kubernetes_request_seconds", OF_NAMESPACE, "verb, resource"),
          legend: "{{verb}} {{resource}}",
        },
      ],
    },
  ],
};

/** What comes in. */
export const WEBHOOKS: PanelRow = {
  title: "Webhooks and what is held",
  height: 8,
  panels: [
    {
      ...chart("Webhooks answered", "By event and status."),
      unit: "reqps",
      targets: [{ expr: rate("event, status", metric("webhooks_total")), legend: "{{event}} {{status}}" }],
    },
    {
      ...chart("Refused and ignored", "Refused: signature, size, buffer. Ignored: not for these queues."),
      unit: "reqps",
      targets: [
        { expr: rate("cause", metric("webhooks_rejected_total")), legend: "refused: {{cause}}" },
        { expr: rate("cause", metric("webhooks_ignored_total")), legend: "ignored: {{cause}}" },
      ],
    },
    {
      ...chart("Held, and the buffer", "Jobs in memory, by what they wait for; the buffer is each replica's."),
      targets: [
        { expr: `sum by (state) (${metric("jobs_held")})`, legend: "{{state}}" },
        { expr: `max(${metric("buffer_size")})`, legend: "buffer" },
        { expr: increase("cause", metric("waits_total")), legend: "had to wait: {{cause}}" },
      ],
    },
    {
      ...chart("Oldest held, last list, last contact", "Seconds since; a saw tooth is as it should be."),
      unit: "s",
      targets: [
        { expr: `max(${metric("oldest_held_seconds")})`, legend: "oldest held" },
        { expr: `time() - max(${metric("buildkite_last_list_timestamp_seconds")})`, legend: "last list" },
        { expr: `time() - max(${metric("kubernetes_last_contact_timestamp_seconds")})`, legend: "last contact" },
      ],
    },
  ],
};

/** The dispatcher's own processes. */
export const PROCESS: PanelRow = {
  title: "The dispatcher's processes",
  height: 8,
  panels: [
    {
      ...chart("Memory", "Resident, by pod."),
      unit: "bytes",
      targets: [{ expr: `process_resident_memory_bytes{${OF_NAMESPACE}}`, legend: "{{pod}}" }],
    },
    {
      ...chart("CPU", "Cores, by pod."),
      targets: [{ expr: `rate(process_cpu_seconds_total{${OF_NAMESPACE}}[$__rate_interval])`, legend: "{{pod}}" }],
    },
    {
      ...chart("Event loop, p99", "How late timers come, by pod."),
      unit: "s",
      targets: [{ expr: `nodejs_eventloop_lag_p99_seconds{${OF_NAMESPACE}}`, legend: "{{pod}}" }],
    },
    {
      ...chart("Failed watches", "Of the API server, by resource."),
      targets: [{ expr: increase("resource", metric("informer_errors_total")), legend: "{{resource}}" }],
    },
  ],
};
