import { alertRule, gained, own, unheard, type AlertRule, type MonitoringScope } from "./alert";
import { notMade, quotaFull } from "./job-alerts";

/** A list older than this many intervals is stale, and never before {@link STALE_SECONDS}. */
const STALE_INTERVALS = 3;
const STALE_SECONDS = 120;

/** Whether Buildkite can be asked, and what waits there. */
export function buildkiteAlerts(scope: MonitoringScope, reconcileSeconds: number): AlertRule[] {
  const calls = own(scope, "buildkite_request_seconds_count");
  const failed = own(scope, "buildkite_request_seconds_count", 'code!~"2..|4.."');
  const limited = own(scope, "buildkite_request_seconds_count", 'code="429"');
  const stale = Math.max(STALE_INTERVALS * reconcileSeconds, STALE_SECONDS);
  const unlisted = `time() - ${own(scope, "buildkite_last_list_timestamp_seconds")} > ${stale}`;
  // A replica that is cut off goes on with its last list: the jobs in it grow old there, though they may have their Jobs.
  const cutOff = `on (namespace, pod) (${unlisted} or ${unheard(scope)})`;
  const listed = (name: string): string => `max by (namespace, queue) (${own(scope, name)} unless ${cutOff})`;
  const waiting = listed("oldest_waiting_seconds");
  const inFlight = `sum by (namespace) (max by (namespace, queue) (${own(scope, "jobs_in_flight")}))`;
  const limit = `max by (namespace) (${own(scope, "jobs_in_flight_limit")})`;
  const paused = `${listed("queue_paused")} == 1`;
  const stopped = `max by (namespace, queue) (${own(scope, "queue_stopped")}) == 1`;
  // Jobs that these keep are listed and grow old, too, and hold no slot. What else a held job waits for has no alert that is
  // sure to fire.
  const kept = `on (namespace, queue) (${paused} or ${stopped} or ${notMade(scope, "namespace, queue")})`;
  const known = `unless ${kept} unless on (namespace) ${quotaFull(scope)}`;
  return [
    alertRule({
      alert: "BuildkiteListStale",
      severity: "critical",
      expr: `time() - max by (namespace) (${own(scope, "buildkite_last_list_timestamp_seconds")}) > ${stale}`,
      for: "1m",
      summary: `The queues were not listed at Buildkite for more than ${stale} s`,
      description: "Only webhooks start builds; lost ones, canceled builds and paused queues go unnoticed.",
    }),
    alertRule({
      alert: "BuildkiteTokenRefused",
      severity: "critical",
      expr: `max by (namespace) (${own(scope, "buildkite_token_refused")}) == 1`,
      for: "2m",
      summary: "Buildkite refuses the agent token",
      description: "No job is found but by its webhook, and agents that start now cannot register either.",
    }),
    alertRule({
      alert: "BuildkiteApiFailing",
      severity: "warning",
      expr: `sum by (namespace) (rate(${failed}[5m])) / sum by (namespace) (rate(${calls}[5m])) > 0.1`,
      for: "10m",
      summary: "{{ $value | humanizePercentage }} of the calls to Buildkite fail",
      description: "No answer, or a 5xx. They are tried again.",
    }),
    alertRule({
      alert: "BuildkiteRateLimited",
      severity: "warning",
      expr: `${gained(scope, "namespace, call", limited, 15)} > 5`,
      for: "5m",
      summary: "Buildkite limits the calls of kind {{ $labels.call }}",
      description: "About {{ $value | humanize }} answers 429 within 15 minutes; lists come late.",
    }),
    alertRule({
      alert: "BuildkiteQueueStopped",
      severity: "critical",
      expr: stopped,
      for: "1m",
      summary: "Queue {{ $labels.queue }} gets no more Jobs: its last ones were all in vain",
      description: "Five jobs in a row used up their attempts without an agent. Most often its agent token is wrong.",
    }),
    alertRule({
      alert: "BuildkiteJobsWaitDespiteFreeSlots",
      severity: "critical",
      expr: `${waiting} > 120 and on (namespace) ${limit} > ${inFlight} ${known}`,
      for: "5m",
      summary: "Jobs of queue {{ $labels.queue }} wait at Buildkite though there are free slots",
      description: "The oldest waits for {{ $value | humanizeDuration }}, and nothing that is known keeps it.",
    }),
    alertRule({
      alert: "BuildkiteJobsWaitTooLong",
      severity: "warning",
      expr: `${waiting} > 1800 ${known}`,
      for: "5m",
      summary: "A job of queue {{ $labels.queue }} waits at Buildkite for {{ $value | humanizeDuration }}",
      description: "All slots are taken for long: maxNodes times jobsPerNode is less than what is built.",
    }),
    alertRule({
      alert: "BuildkiteJobsNotServed",
      severity: "warning",
      expr: `${listed("not_served")} > 0`,
      for: "30m",
      summary: "{{ $value }} jobs of queue {{ $labels.queue }} ask for agent tags that no served queue has",
      description: "They wait until somebody changes their agents rules or the queue's tags.",
    }),
  ];
}
