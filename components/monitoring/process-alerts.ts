import { MEMORY_LIMIT_MIB } from "../dispatcher-deployment";
import { alertRule, ofProcess, own, trouble, unheard, type AlertRule, type MonitoringScope } from "./alert";

/** Of the API server, no answer at all or one that is its own fault. */
const FAILED = 'code!~"2..|4.."';

/** Whether the dispatcher is there, and hears of the API server. */
export function processAlerts(scope: MonitoringScope): AlertRule[] {
  const ready = own(scope, "ready");
  const requests = own(scope, "kubernetes_request_seconds_count");
  const failed = own(scope, "kubernetes_request_seconds_count", FAILED);
  return [
    alertRule({
      alert: "BuildkiteDispatcherDown",
      severity: "critical",
      expr: `absent(${ready})`,
      for: "5m",
      summary: "No replica of the dispatcher answers Prometheus",
      description: "No build starts, or Prometheus does not find the pods in namespace {{ $labels.namespace }}.",
    }),
    alertRule({
      alert: "BuildkiteDispatcherNotReady",
      severity: "critical",
      expr: `sum by (namespace) (${ready}) == 0`,
      for: "2m",
      summary: "No replica of the dispatcher is ready",
      description: "Webhooks are turned away. /status says why under notReadyBecause.",
    }),
    alertRule({
      alert: "BuildkiteDispatcherReplicaMissing",
      severity: "warning",
      expr: `sum by (namespace) (${ready}) < ${scope.replicas}`,
      for: "15m",
      summary: `{{ $value }} of ${scope.replicas} replicas of the dispatcher are ready`,
      description: "Builds start as long as one is ready; nothing stands by for its end.",
    }),
    alertRule({
      alert: "BuildkiteDispatcherRestarting",
      severity: "warning",
      expr: `changes(${ofProcess(scope, "process_start_time_seconds")}[30m]) > 2`,
      for: "1m",
      summary: "Pod {{ $labels.pod }} of the dispatcher starts again and again",
      description: "{{ $value }} restarts within 30 minutes. Nothing is lost, but builds start late.",
    }),
    alertRule({
      alert: "BuildkiteDispatcherMemoryHigh",
      severity: "warning",
      expr: `${ofProcess(scope, "process_resident_memory_bytes")} > ${0.85 * MEMORY_LIMIT_MIB * 1024 * 1024}`,
      for: "10m",
      summary: `Pod {{ $labels.pod }} of the dispatcher is near its limit of ${MEMORY_LIMIT_MIB} MiB`,
      description: "It holds {{ $value | humanize1024 }}B. At the limit it is killed and starts again.",
    }),
    alertRule({
      alert: "BuildkiteKubernetesUnreachable",
      severity: "critical",
      expr: unheard(scope),
      for: "2m",
      summary: "Pod {{ $labels.pod }} of the dispatcher has not heard of the API server for 3 minutes",
      description: "No Jobs are made. What is scheduled waits at Buildkite; webhooks are held up to the buffer's size.",
    }),
    alertRule({
      alert: "BuildkiteKubernetesFailing",
      severity: "warning",
      expr: `sum by (namespace) (rate(${failed}[5m])) / sum by (namespace) (rate(${requests}[5m])) > 0.1`,
      for: "10m",
      summary: "{{ $value | humanizePercentage }} of the dispatcher's requests to the API server fail",
      description: "They are tried again; builds start late.",
    }),
    alertRule({
      alert: "BuildkiteWatchFailing",
      severity: "critical",
      expr: trouble(scope, "kubernetes", "watch_failing"),
      for: "1m",
      summary: "The dispatcher cannot watch what it works on",
      description: "Most often a right that was taken away. /status says under troubles which resource, and why.",
    }),
    alertRule({
      alert: "BuildkiteTemplateMissing",
      severity: "critical",
      expr: trouble(scope, "template", "missing"),
      for: "1m",
      summary: "A queue's PodTemplate is missing",
      description: "Its jobs get no pod; they wait at Buildkite until it is there. /status says under troubles which.",
    }),
  ];
}
