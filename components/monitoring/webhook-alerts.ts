import { alertRule, gained, own, type AlertRule, type MonitoringScope } from "./alert";

/** Whether webhooks are taken. */
export function webhookAlerts(scope: MonitoringScope): AlertRule[] {
  const held = `sum without (state) (${own(scope, "jobs_held")})`;
  const refused = own(scope, "webhooks_rejected_total", 'cause=~"signature_.+"');
  const away = own(scope, "webhooks_total", 'status="503"');
  const malformed = own(scope, "webhooks_ignored_total", 'cause=~"malformed|listed_malformed"');
  return [
    alertRule({
      alert: "BuildkiteWebhookBufferNearlyFull",
      severity: "warning",
      expr: `${held} / ${own(scope, "buffer_size")} > 0.8`,
      for: "2m",
      summary: "Pod {{ $labels.pod }} of the dispatcher holds nearly as many jobs as it can",
      description: "{{ $value | humanizePercentage }} of its buffer. What they wait for is in /status under held.",
    }),
    alertRule({
      alert: "BuildkiteWebhooksTurnedAway",
      severity: scope.reconcileSeconds === undefined ? "critical" : "warning",
      expr: `${gained(scope, "namespace", away, 10)} > 0`,
      for: "1m",
      summary: "Webhooks are answered 503",
      description:
        scope.reconcileSeconds === undefined
          ? "About {{ $value | humanize }} within 10 minutes. Buildkite may not send them again: their builds are lost."
          : "About {{ $value | humanize }} within 10 minutes. The list at Buildkite finds their jobs.",
    }),
    alertRule({
      alert: "BuildkiteWebhooksRefused",
      severity: "warning",
      expr: `${gained(scope, "namespace, cause", refused, 15)} > 10`,
      for: "5m",
      summary: "Webhooks are refused: {{ $labels.cause }}",
      description:
        "About {{ $value | humanize }} within 15 minutes: another token at Buildkite, a clock, or a stranger.",
    }),
    alertRule({
      alert: "BuildkiteWebhooksNotUnderstood",
      severity: "warning",
      expr: `${gained(scope, "namespace", malformed, 60)} > 0`,
      for: "1m",
      summary: "Webhooks or listed jobs of Buildkite lack what they should have",
      description: "About {{ $value | humanize }} within an hour. The log says what.",
    }),
  ];
}
