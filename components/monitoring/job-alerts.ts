import type { Reported } from "../../dispatcher/buildkite/report";
import type { WaitCause } from "../../dispatcher/waiting-room";
import type { Outcome } from "../../dispatcher/work";
import { alertRule, gained, own, type AlertRule, type MonitoringScope } from "./alert";

/** Holds while the agents namespace's quota is full. */
export function quotaFull(scope: MonitoringScope): string {
  return `sum by (namespace) (${own(scope, "jobs_held", `state="${"quota" satisfies WaitCause}"`)}) > 0`;
}

/** Holds after jobs were tried in vain. @param by labels of the result. */
export function notMade(scope: MonitoringScope, by: string): string {
  // What a process that had to end left undone, the list finds again.
  const lost: Outcome[] = scope.reconcileSeconds === undefined ? ["lost"] : [];
  const undone: Outcome[] = ["abandoned", "failed", "foreign", "refused", ...lost];
  return `${gained(scope, by, own(scope, "jobs_total", `outcome=~"${undone.join("|")}"`), 15)} > 0`;
}

/** What becomes of Jobs and their pods. */
export function jobAlerts(scope: MonitoringScope): AlertRule[] {
  const pending = `max by (namespace, queue) (${own(scope, "oldest_pending_pod_seconds")})`;
  return [
    alertRule({
      alert: "BuildkiteQuotaFull",
      severity: "warning",
      expr: quotaFull(scope),
      for: "10m",
      summary: "{{ $value }} Jobs wait for room in the agents namespace's quota",
      description: "The quota counts finished Jobs, too, until their TTL has passed: see jobQuota.",
    }),
    alertRule({
      alert: "BuildkiteJobsNotMade",
      severity: "critical",
      expr: notMade(scope, "namespace, queue, outcome"),
      for: "1m",
      summary: "Jobs of queue {{ $labels.queue }} got no Kubernetes Job: {{ $labels.outcome }}",
      description: "About {{ $value | humanize }} within 15 minutes. The log has one line for each.",
    }),
    alertRule({
      alert: "BuildkitePodsPendingTooLong",
      severity: "warning",
      expr: `${pending} > 900`,
      for: "5m",
      summary: "A pod of queue {{ $labels.queue }} waits for its node for {{ $value | humanizeDuration }}",
      description: "The pool is at its maximum, or the autoscaler adds no node. No build fails of this.",
    }),
    ...(scope.reconcileSeconds === undefined ? [] : reconcilingAlerts(scope)),
  ];
}

/** Of what is known, or done, only where Buildkite is asked. */
function reconcilingAlerts(scope: MonitoringScope): AlertRule[] {
  // The others have alerts of their own, and of what was unneeded nobody has to hear.
  const told = own(
    scope,
    "given_up_total",
    `cause!~"start_failure|refused|agent_lost",reported!="${"unneeded" satisfies Reported}"`,
  );
  const lost = own(scope, "given_up_total", 'cause="agent_lost"');
  const leftOver = own(scope, "canceled_jobs_deleted_total", 'when="left_over"');
  return [
    alertRule({
      alert: "BuildkitePodsCannotStart",
      severity: "warning",
      expr: `${gained(scope, "namespace, cause", own(scope, "start_failures_total"), 15)} > 0`,
      for: "1m",
      summary: "Pods of builds cannot start: {{ $labels.cause }}",
      description:
        "About {{ $value | humanize }} within 15 minutes. Each build has failed at Buildkite with the cause.",
    }),
    alertRule({
      alert: "BuildkiteJobsGivenUp",
      severity: "warning",
      expr: `${gained(scope, "namespace, queue, cause, reported", told, 15)} > 0`,
      for: "1m",
      summary: "Jobs of queue {{ $labels.queue }} were given up: {{ $labels.cause }}",
      description: "About {{ $value | humanize }} within 15 minutes; told to Buildkite: {{ $labels.reported }}.",
    }),
    alertRule({
      alert: "BuildkiteAgentsLost",
      severity: "warning",
      expr: `${gained(scope, "namespace, queue", lost, 60)} > 3`,
      for: "1m",
      summary: "Agents of queue {{ $labels.queue }} die without a word",
      description: "About {{ $value | humanize }} within an hour: their node went away, or the kernel killed them.",
    }),
    alertRule({
      alert: "BuildkitePodsLeftOver",
      severity: "warning",
      expr: `${gained(scope, "namespace", leftOver, 60)} > 3`,
      for: "1m",
      summary: "Pods outlive their builds",
      description: "About {{ $value | humanize }} within an hour were deleted long after their builds had ended.",
    }),
  ];
}
