import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { PodlessJobs } from "../../dispatcher/buildkite/podless-jobs";
import { SetAside } from "../../dispatcher/buildkite/set-aside";
import type { SeenJob } from "../../dispatcher/jobs-watch";
import type { Job, KubernetesEvent, Pod } from "../../dispatcher/kubernetes/objects";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import { until } from "../support/until";

const FORBIDDEN = 'Error creating: pods "p" is forbidden: violates PodSecurity "restricted"';
const FULL = 'Error creating: pods "p" is forbidden: exceeded quota: pods';

describe("a Job without a pod", () => {
  const spec = { containers: [{ name: "agent" }] };
  const seen: SeenJob = {
    ...{ name: "buildkite-u", uid: "job", queue: "k8s", pipeline: "web", attempt: 1, finished: false },
    ...{ createdAt: 1, endedAt: undefined, failure: undefined, waitsUntil: undefined },
  };
  let job: Job;
  let pods: Pod[];
  let said: string;
  let templateSpec: unknown;
  let steps: string[];
  let reads: string[];
  let others: SeenJob[];
  let stop: AbortController;
  let running: Promise<void>;
  let withPod: Set<string>;
  const metrics = createMetrics("test");
  const aside = new SetAside();

  beforeEach(() => {
    const labels = { "buildkite.com/job-uuid": "u", "buildkite-scale-to-zero/template": "k8s" };
    job = { metadata: { name: seen.name, uid: "job", labels }, spec: { template: { spec } } };
    [pods, said, templateSpec, steps, withPod] = [[], FORBIDDEN, { ...spec }, [], new Set()];
    [reads, others] = [[], []];
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort();
    await running;
  });

  function start(afterMs = 20): void {
    const tell = (what: string, uuid: string, words: string) => {
      steps.push(`${what} ${uuid}: ${words}`);
      return what === "noted" ? ("noted" as const) : ("finished" as const);
    };
    const event = (): KubernetesEvent => ({ metadata: {}, reason: "FailedCreate", message: said });
    running = new PodlessJobs({
      api: {
        eventsOf: (uid) => {
          reads.push(uid);
          return Promise.resolve([uid === "job" ? event() : { ...event(), message: FULL }]);
        },
        readJob: () => Promise.resolve(job),
        podsOf: () => Promise.resolve(pods),
        readTemplate: (name) =>
          Promise.resolve({ metadata: { name, namespace: "agents" }, template: { spec: templateSpec } }),
        deleteJob: (name, uid) => {
          steps.push(`delete ${name} ${uid}`);
          withPod.add("job");
          return Promise.resolve(true);
        },
      },
      jobs: { live: () => [...others, seen] },
      pods: { synced: true, jobUids: () => withPod },
      report: {
        giveUp: (uuid, words) => Promise.resolve(tell("given up", uuid, words)),
        note: (uuid, words) => Promise.resolve(tell("noted", uuid, words)),
      },
      queues: [{ key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" }],
      ...{ aside, metrics, log: createLog(() => undefined), onEnding: () => undefined },
      ...{ intervalMs: 5, afterMs, noteAfterMs: 40 },
    }).run(stop.signal);
  }

  it("that a policy refuses: deleted, then given up with the policy's words, and left alone by the loop", async () => {
    start();
    await until("both steps", () => steps.length === 2);
    assert.deepEqual(steps, ["delete buildkite-u job", `given up u: Kubernetes refuses the build's pod: ${FORBIDDEN}`]);
    assert.equal(aside.has("u"), true);
    const text = await metrics.registry.metrics();
    assert.match(text, /start_failures_total\{cause="FailedCreate"\} 1/);
    assert.match(text, /given_up_total\{queue="k8s",cause="start_failure",reported="finished"\} 1/);
  });

  it("whose template has changed since: only deleted, so that the loop makes it another", async () => {
    templateSpec = { containers: [{ name: "agent", securityContext: {} }] };
    start();
    await until("the deletion", () => steps.length === 1);
    await sleep(50);
    assert.deepEqual(steps, ["delete buildkite-u job"]);
  });

  it("is no fault while a change may be under way, nor where a pod is there by now or the Job is another", async () => {
    start(60_000);
    await sleep(100);
    assert.deepEqual(steps, []);
    stop.abort();
    await running;
    stop = new AbortController();
    pods = [{ metadata: { name: "p", uid: "p" } }];
    start();
    await sleep(100);
    job = { ...job, metadata: { ...job.metadata, uid: "another" } };
    pods = [];
    await sleep(100);
    assert.deepEqual(steps, []);
  });

  it("for which the quota has no room: one note, and never more", async () => {
    said = FULL;
    start();
    await until("the note", () => steps.length > 0);
    await sleep(100);
    assert.deepEqual(steps, [
      `noted u: Waiting for its pod for 1 min, and goes on. The quota of its namespace is full: ${FULL}`,
    ]);
  });

  it("has its turn behind many that a full quota holds up", async () => {
    others = Array.from({ length: 25 }, (_, n) => ({ ...seen, name: `buildkite-${n}`, uid: `other-${n}` }));
    start();
    await until("both steps", () => steps.filter((step) => !step.startsWith("noted")).length === 2);
    const most = Math.max(...others.map(({ uid }) => reads.filter((read) => read === uid).length));
    assert.ok(most <= 3, `one of the others was read ${most} times before`);
  });
});
