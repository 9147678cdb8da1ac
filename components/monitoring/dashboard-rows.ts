import { CALLS, PROCESS, WEBHOOKS } from "./dashboard-inner-rows";
import { increase, known, metric, OF_QUEUES, quantile } from "./dashboard-queries";
import { chart, type PanelRow, stat } from "./panel";

/** How it stands, in a line of numbers. */
const NOW: PanelRow = {
  title: "Now",
  height: 4,
  panels: [
    stat("Replicas ready", "As /readyz says.", `sum(${metric("ready")})`),
    stat("Jobs in flight", "Live Jobs, of all queues.", `sum(${known("queue", metric("jobs_in_flight"))})`),
    stat("Limit", "Live Jobs there may be: maxNodes times jobsPerNode.", `max(${metric("jobs_in_flight_limit")})`),
    stat("Waiting at Buildkite", "Of all queues.", `sum(${known("queue", metric("waiting_at_buildkite"))})`),
    stat(
      "Queues stopped",
      "See BuildkiteQueueStopped.",
      `count(${known("queue", metric("queue_stopped"))}) or vector(0)`,
    ),
    stat("Queues paused", "At Buildkite.", `sum(${known("queue", metric("queue_paused"))})`),
    {
      ...{ title: "Version", description: "Of the dispatcher.", type: "stat", unit: "short", named: true },
      targets: [
        {
          expr: `count by (version, node) (${metric("build_info")})`,
          legend: "{{version}} on Node {{node}}",
          instant: true,
        },
      ],
    },
    stat("Agent token refused", "1 while Buildkite refuses it.", `max(${metric("buildkite_token_refused")})`),
  ],
};

/** From a scheduled build to a Job. */
const JOBS: PanelRow = {
  title: "Jobs",
  height: 8,
  panels: [
    {
      ...chart("Jobs by outcome", "created and replaced are Jobs made; exists and late_repeat had theirs."),
      ...{ unit: "short", stacked: true },
      targets: [{ expr: increase("outcome", metric("jobs_total", OF_QUEUES)), legend: "{{outcome}}" }],
    },
    {
      ...chart("Webhook to Job", "Without those that had to wait for a slot at Buildkite."),
      unit: "s",
      targets: [
        { expr: quantile(0.5, "webhook_to_job_seconds", OF_QUEUES), legend: "p50" },
        { expr: quantile(0.99, "webhook_to_job_seconds", OF_QUEUES), legend: "p99" },
      ],
    },
    {
      ...chart("Runnable to Job", "The wait for a slot in it."),
      unit: "s",
      targets: [
        { expr: quantile(0.5, "runnable_to_job_seconds", OF_QUEUES, "queue"), legend: "{{queue}} p50" },
        { expr: quantile(0.99, "runnable_to_job_seconds", OF_QUEUES, "queue"), legend: "{{queue}} p99" },
      ],
    },
  ],
};

/** What runs and what waits. */
const CAPACITY: PanelRow = {
  title: "Capacity",
  height: 8,
  panels: [
    {
      ...chart("In flight, and the limit", "The limit is of all queues together."),
      targets: [
        { expr: known("queue", metric("jobs_in_flight", OF_QUEUES)), legend: "{{queue}}" },
        { expr: `max(${metric("jobs_in_flight_limit")})`, legend: "limit" },
      ],
    },
    {
      ...chart("Waiting at Buildkite", "Scheduled jobs without a slot, and those that no served queue takes."),
      targets: [
        { expr: known("queue", metric("waiting_at_buildkite", OF_QUEUES)), legend: "{{queue}}" },
        { expr: known("queue", metric("not_served", OF_QUEUES)), legend: "{{queue}}, not served" },
      ],
    },
    {
      ...chart("Oldest waiting", "Age of the job that waits longest at Buildkite."),
      unit: "s",
      targets: [{ expr: known("queue", metric("oldest_waiting_seconds", OF_QUEUES)), legend: "{{queue}}" }],
    },
    {
      ...chart("Deferred", "Jobs left at Buildkite for now, by cause."),
      ...{ unit: "short", stacked: true },
      targets: [{ expr: increase("cause", metric("deferred_total", OF_QUEUES)), legend: "{{cause}}" }],
    },
  ],
};

/** What pods do. */
const PODS: PanelRow = {
  title: "Pods",
  height: 8,
  panels: [
    {
      ...chart("Pods pending", "Waiting for a node."),
      targets: [{ expr: known("queue", metric("pods_pending", OF_QUEUES)), legend: "{{queue}}" }],
    },
    {
      ...chart("Oldest pending pod", "A new node takes minutes; a full pool as long as builds do."),
      unit: "s",
      targets: [{ expr: known("queue", metric("oldest_pending_pod_seconds", OF_QUEUES)), legend: "{{queue}}" }],
    },
    {
      ...chart("Phases of a job, p50 and p99", "Where the time of a build goes."),
      unit: "s",
      targets: [
        { expr: quantile(0.5, "job_phase_seconds", OF_QUEUES, "phase"), legend: "{{phase}} p50" },
        { expr: quantile(0.99, "job_phase_seconds", OF_QUEUES, "phase"), legend: "{{phase}} p99" },
      ],
    },
  ],
};

/** What went wrong with builds. */
const FAILURES: PanelRow = {
  title: "Given up and cleaned away",
  height: 8,
  panels: [
    {
      ...chart("Start failures", "Pods given up because they could not start, by cause."),
      targets: [{ expr: increase("cause", metric("start_failures_total")), legend: "{{cause}}" }],
    },
    {
      ...chart("Given up", "Jobs for which another pod would not help, by cause."),
      targets: [
        {
          expr: increase("queue, cause, reported", metric("given_up_total", OF_QUEUES)),
          legend: "{{queue}}: {{cause}}, {{reported}}",
        },
      ],
    },
    {
      ...chart("Jobs deleted", "before_start is a canceled build; left_over a pod that outlived its build."),
      targets: [
        { expr: increase("when", metric("canceled_jobs_deleted_total")), legend: "{{when}}" },
        { expr: `sum(increase(${metric("orphaned_pods_deleted_total")}[$__rate_interval]))`, legend: "orphaned pods" },
        {
          expr: `sum(increase(${metric("returned_jobs_total")}[$__rate_interval]))`,
          legend: "no node in time, made anew",
        },
      ],
    },
    {
      ...chart("Troubles", "1 while it lasts: see /status."),
      targets: [{ expr: known("part, cause", metric("trouble")), legend: "{{part}}: {{cause}}" }],
    },
  ],
};

/** Every row, from top to bottom. */
export const ROWS: readonly PanelRow[] = [NOW, JOBS, CAPACITY, PODS, FAILURES, CALLS, WEBHOOKS, PROCESS];
