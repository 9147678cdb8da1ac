import assert from "node:assert/strict";
import { createMetrics } from "../../dispatcher/metrics";

/** Dashboards and alerts are written against these: a rename breaks them. */
const NAMES = [
  "buildkite_dispatcher_build_info",
  "buildkite_dispatcher_buffer_size",
  "buildkite_dispatcher_buildkite_last_list_timestamp_seconds",
  "buildkite_dispatcher_buildkite_request_seconds",
  "buildkite_dispatcher_buildkite_token_refused",
  "buildkite_dispatcher_canceled_jobs_deleted_total",
  "buildkite_dispatcher_informer_errors_total",
  "buildkite_dispatcher_job_token_requests_total",
  "buildkite_dispatcher_jobs_held",
  "buildkite_dispatcher_jobs_in_flight",
  "buildkite_dispatcher_jobs_in_flight_limit",
  "buildkite_dispatcher_jobs_total",
  "buildkite_dispatcher_kubernetes_last_contact_timestamp_seconds",
  "buildkite_dispatcher_kubernetes_request_seconds",
  "buildkite_dispatcher_not_served",
  "buildkite_dispatcher_oldest_held_seconds",
  "buildkite_dispatcher_orphaned_pods_deleted_total",
  "buildkite_dispatcher_queue_paused",
  "buildkite_dispatcher_queue_stopped",
  "buildkite_dispatcher_ready",
  "buildkite_dispatcher_returned_jobs_total",
  "buildkite_dispatcher_trouble",
  "buildkite_dispatcher_pods_pending",
  "buildkite_dispatcher_oldest_pending_pod_seconds",
  "buildkite_dispatcher_oldest_waiting_seconds",
  "buildkite_dispatcher_job_phase_seconds",
  "buildkite_dispatcher_given_up_total",
  "buildkite_dispatcher_deferred_total",
  "buildkite_dispatcher_runnable_to_job_seconds",
  "buildkite_dispatcher_start_failures_total",
  "buildkite_dispatcher_waiting_at_buildkite",
  "buildkite_dispatcher_waits_total",
  "buildkite_dispatcher_webhook_to_job_seconds",
  "buildkite_dispatcher_webhooks_ignored_total",
  "buildkite_dispatcher_webhooks_rejected_total",
  "buildkite_dispatcher_webhooks_total",
];

describe("the metrics", () => {
  const metrics = createMetrics("1.2.3");
  metrics.read({
    inFlight: () => new Map([["k8s", 3]]),
    held: () => new Map([["quota", 2]]),
    oldestHeldSeconds: () => 1.5,
    bufferSize: 1000,
    lastContact: () => 2000,
    ready: () => true,
    pendingPods: () => new Map([["k8s", { count: 2, oldestSeconds: 60 }]]),
    troubles: () => [{ part: "buildkite", cause: "list_stale" }],
    buildkite: {
      cap: 4,
      queues: () => new Map([["k8s", { paused: true, waiting: 7, oldestSeconds: 90, notServed: 1 }]]),
      listedAt: () => 3000,
      tokenRefused: () => false,
      stopped: () => ["k8s"],
    },
  });

  it("have the names that are known outside", async () => {
    const names = (await metrics.registry.getMetricsAsJSON()).map(({ name }) => name).sort();
    assert.deepEqual(names, [...NAMES].sort());
  });

  it("are in Prometheus' text format", async () => {
    const text = await metrics.registry.metrics();
    assert.match(text, /^# TYPE buildkite_dispatcher_webhook_to_job_seconds histogram$/m);
    assert.match(text, /^buildkite_dispatcher_build_info\{version="1\.2\.3",node="v[^"]+"\} 1$/m);
    assert.match(text, /^buildkite_dispatcher_jobs_in_flight\{queue="k8s"\} 3$/m);
    assert.match(text, /^buildkite_dispatcher_jobs_held\{state="quota"\} 2$/m);
    assert.match(text, /^buildkite_dispatcher_waiting_at_buildkite\{queue="k8s"\} 7$/m);
    assert.match(text, /^buildkite_dispatcher_oldest_waiting_seconds\{queue="k8s"\} 90$/m);
    assert.match(text, /^buildkite_dispatcher_pods_pending\{queue="k8s"\} 2$/m);
    assert.match(text, /^buildkite_dispatcher_oldest_pending_pod_seconds\{queue="k8s"\} 60$/m);
    assert.match(text, /^buildkite_dispatcher_trouble\{part="buildkite",cause="list_stale"\} 1$/m);
    assert.match(text, /^buildkite_dispatcher_queue_paused\{queue="k8s"\} 1$/m);
    assert.match(text, /^buildkite_dispatcher_jobs_in_flight_limit 4$/m);
    assert.match(text, /^buildkite_dispatcher_kubernetes_last_contact_timestamp_seconds 2$/m);
  });

  it("of two dispatchers in one process do not mix", () => {
    assert.notEqual(createMetrics("a").registry, createMetrics("b").registry);
  });
});
