import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { HeldJob } from "../../dispatcher/held-job";
import type { SeenJob } from "../../dispatcher/jobs-watch";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import { seenPod, type SeenPod } from "../../dispatcher/pods-watch";
import type { QueueRoute } from "../../dispatcher/settings";
import { Stories } from "../../dispatcher/stories";
import { until } from "../support/until";

const at = (second: number): number => Date.parse("2026-01-01T10:00:00Z") + second * 1000;
const time = (second: number): string => new Date(at(second)).toISOString().replace(".000", "");

function jobOf(uuid: string, more: Partial<SeenJob> = {}): SeenJob {
  return {
    ...{ name: `buildkite-${uuid}`, uid: `job-${uuid}`, queue: "k8s", pipeline: "web", attempt: 1, finished: false },
    ...{ createdAt: at(3), endedAt: undefined, failure: undefined, waitsUntil: undefined, ...more },
  };
}

function podOf(uuid: string, more: { status?: object; spec?: object } = {}): SeenPod {
  const labels = { "buildkite.com/job-uuid": uuid, "buildkite.com/queue": "k8s" };
  const ownerReferences = [{ kind: "Job", name: `buildkite-${uuid}`, uid: `job-${uuid}`, controller: true }];
  return seenPod({
    metadata: { name: "p", uid: `pod-${uuid}`, labels, ownerReferences, creationTimestamp: time(3) },
    spec: { nodeName: "node-1" },
    ...more,
  });
}

const ENDED = {
  phase: "Succeeded",
  conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: time(63) }],
  containerStatuses: [
    {
      name: "agent",
      state: { terminated: { exitCode: 0, reason: "Completed", startedAt: time(70), finishedAt: time(190) } },
    },
  ],
};

describe("the story of a job", () => {
  let lines: Record<string, unknown>[];
  let shown: Set<string>;
  let stories: Stories;
  let metrics: ReturnType<typeof createMetrics>;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    lines = [];
    shown = new Set();
    stop = new AbortController();
    metrics = createMetrics("test");
    stories = new Stories({
      ...{ metrics, queueOf: (label) => `key of ${label}`, isThere: (_, uid) => shown.has(uid), intervalMs: 20 },
      log: createLog((line) => lines.push(JSON.parse(line) as Record<string, unknown>)),
    });
    running = stories.run(stop.signal);
  });

  afterEach(async () => {
    stop.abort();
    await running;
  });

  function make(uuid: string): void {
    const route: QueueRoute = { key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" };
    const job = { uuid, queue: "k8s", pipeline: "web" };
    const held = new HeldJob({ job, route, arrivedAt: 0, source: "webhook", runnableAt: Date.now() - 2000 });
    stories.made(held, `job-${uuid}`);
  }
  const told = (): Promise<Record<string, unknown>> => until("the line", () => lines[0]);
  const samples = async (): Promise<string[]> =>
    (await metrics.registry.metrics())
      .split("\n")
      .filter((line) => line.startsWith("buildkite_dispatcher_job_phase_seconds_sum"));

  it("is one line at its end, with every step; the pod's last words may come after the Job's", async () => {
    const uuid = randomUUID();
    make(uuid);
    stories.jobChanged("added", jobOf(uuid));
    stories.podChanged(podOf(uuid));
    stories.jobChanged("modified", jobOf(uuid, { finished: true, endedAt: at(195) }));
    stories.podChanged(podOf(uuid, { status: ENDED }));
    const { time: toldAt, scheduled, secondsToJob, ...line } = await told();
    assert.ok(Date.parse(String(toldAt)) > 0);
    assert.deepEqual(line, {
      ...{ level: "info", event: "job ended", uuid, queue: "k8s", pipeline: "web", source: "webhook", attempt: 1 },
      ...{ job: `buildkite-${uuid}`, uid: `job-${uuid}`, node: "node-1", outcome: "completed", exitCode: 0 },
      created: new Date(at(3)).toISOString(),
      bound: new Date(at(63)).toISOString(),
      started: new Date(at(70)).toISOString(),
      finished: new Date(at(190)).toISOString(),
      ended: new Date(at(195)).toISOString(),
      ...{ secondsToNode: 60, secondsToAgent: 7, secondsOfAgent: 120 },
    });
    assert.ok(Date.parse(String(scheduled)) > 0);
    assert.ok(Math.abs(Number(secondsToJob) - 2) < 0.5, `after ${String(secondsToJob)} s`);
    const phases = await samples();
    assert.equal(phases.length, 4);
    assert.ok(phases.includes('buildkite_dispatcher_job_phase_seconds_sum{queue="k8s",phase="job_to_node"} 60'));
    stories.jobChanged("deleted", jobOf(uuid, { finished: true }));
    assert.deepEqual([lines.length, stories.size], [1, 0]);
  });

  it("says why it failed, or that it was deleted and by which part", async () => {
    const [failed, canceled] = [randomUUID(), randomUUID()];
    make(failed);
    make(canceled);
    const terminated = { exitCode: 137, reason: "OOMKilled" };
    stories.because(`job-${failed}`, "to be deleted, but it ended before");
    stories.podChanged(podOf(failed, { status: { containerStatuses: [{ name: "agent", state: { terminated } }] } }));
    stories.jobChanged("modified", jobOf(failed, { finished: true, failure: "PodFailurePolicy" }));
    stories.because(`job-${canceled}`, "canceled");
    stories.jobChanged("deleted", jobOf(canceled));
    await until("both", () => lines.length === 2);
    assert.deepEqual(
      lines.map(({ outcome, why, podReason, exitCode }) => [outcome, why, podReason, exitCode]),
      [
        ["failed", "PodFailurePolicy", "OOMKilled", 137],
        ["deleted", "canceled", undefined, undefined],
      ],
    );
  });

  it("is told of Jobs that were there before the process, as far as the cluster tells it, and not counted", async () => {
    const uuid = randomUUID();
    stories.found(jobOf(uuid));
    stories.podChanged(podOf(uuid, { status: ENDED }));
    stories.jobChanged("modified", jobOf(uuid, { finished: true, endedAt: at(195) }));
    const line = await told();
    assert.equal(line["queue"], "key of k8s");
    assert.equal(line["source"], undefined);
    assert.equal(line["secondsOfAgent"], 120);
    assert.deepEqual(await samples(), []);
  });

  it("is not told of Jobs that another replica made, nor of those that had ended before", async () => {
    const [other, old] = [randomUUID(), randomUUID()];
    stories.jobChanged("added", jobOf(other));
    stories.found(jobOf(old, { finished: true }));
    assert.equal(stories.size, 0);
    stories.jobChanged("modified", jobOf(other, { finished: true }));
    stop.abort();
    await running;
    assert.deepEqual(lines, []);
  });

  it("is told at once when the process ends", async () => {
    const uuid = randomUUID();
    make(uuid);
    stories.jobChanged("modified", jobOf(uuid, { finished: true }));
    stop.abort();
    await running;
    assert.equal(lines.length, 1);
  });
});
