import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { JOB_UUID, QUEUE_LABEL } from "../../components/contract";
import { SetAside } from "../../dispatcher/buildkite/set-aside";
import { StartFailures } from "../../dispatcher/buildkite/start-failures";
import type { ContainerState, Pod } from "../../dispatcher/kubernetes/objects";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";
import { until } from "../support/until";

const GRACE_MS = 300;
const BACK_OFF: ContainerState = { waiting: { reason: "CrashLoopBackOff" } };
const RUNNING: ContainerState = { running: {} };

describe("a pod whose dind ends before its agent starts", () => {
  let dind: { state: ContainerState; started: boolean };
  let agent: ContainerState;
  let isThere: boolean;
  let steps: string[];
  let lines: Record<string, unknown>[];
  let looks: number;
  let began: number;
  let stop: AbortController;
  let running: Promise<void>;
  const metrics = createMetrics("test");

  const pod = (): Pod => ({
    metadata: {
      ...{ name: "buildkite-u-x", uid: "pod" },
      labels: { [JOB_UUID]: "u", [QUEUE_LABEL]: "k8s" },
      ownerReferences: [{ kind: "Job", name: "buildkite-u", uid: "job", controller: true }],
    },
    status: {
      phase: "Pending",
      initContainerStatuses: [{ name: "dind", lastState: { terminated: { exitCode: 3, reason: "Error" } }, ...dind }],
      containerStatuses: [{ name: "agent", state: agent }],
    },
  });

  beforeEach(() => {
    [steps, lines, looks, isThere] = [[], [], 0, true];
    [dind, agent] = [{ state: BACK_OFF, started: false }, { waiting: { reason: "PodInitializing" } }];
    stop = new AbortController();
    began = performance.now();
    running = new StartFailures({
      api: {
        // eslint-disable-next-line @typescript-eslint/require-await
        startingPods: async function* () {
          looks++;
          yield* isThere ? [pod()] : [];
        },
        podsOf: () => Promise.resolve(isThere ? [pod()] : []),
        readJob: (name) => Promise.resolve({ metadata: { name, uid: "job" } }),
        eventsOf: () => Promise.resolve([]),
        deleteJob: (name, uid) => {
          steps.push(`delete ${name} ${uid}`);
          isThere = false;
          return Promise.resolve(true);
        },
      },
      report: {
        giveUp: (uuid, words) => {
          steps.push(`given up ${uuid}: ${words}`);
          return Promise.resolve("finished");
        },
      },
      queues: [{ key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" }],
      ...{ aside: new SetAside(), metrics, onEnding: () => undefined },
      log: createLog((line) => lines.push(JSON.parse(line) as Record<string, unknown>)),
      ...{ intervalMs: 10, graceMs: GRACE_MS },
    }).run(stop.signal);
  });

  afterEach(async () => {
    stop.abort();
    await running;
  });

  /** Waits for the loop to see the pod as it is now. */
  async function seen(): Promise<void> {
    const before = looks;
    await until("two looks", () => looks >= before + 2);
  }

  it("again and again: given up after its time, though some looks find it running; Buildkite and the log hear why", async () => {
    while (steps.length === 0 && performance.now() - began < 5000) {
      // Never for as long as the patience at one stretch.
      dind.state = dind.state === BACK_OFF ? RUNNING : BACK_OFF;
      await sleep(GRACE_MS / 4);
    }
    assert.notDeepEqual(steps, []);
    await until("both steps", () => steps.length === 2, 5);
    assert.ok(performance.now() - began >= GRACE_MS);
    const why =
      'The build\'s pod cannot start: its container "dind" ends again and again before the agent can start (CrashLoopBackOff), the last time with exit code 3 (Error)';
    assert.deepEqual(steps, ["delete buildkite-u job", `given up u: ${why}`]);
    const line = await until("the line", () => lines.find(({ event }) => event === "pod could not start"));
    assert.deepEqual([line["cause"], line["why"], line["pod"]], ["CrashLoopBackOff", why, "buildkite-u-x"]);
    const text = await metrics.registry.metrics();
    assert.match(text, /start_failures_total\{cause="CrashLoopBackOff"\} 1/);
    assert.match(text, /given_up_total\{queue="k8s",cause="start_failure",reported="finished"\} 1/);
    assert.doesNotMatch(text, /given_up_total\{[^}]*cause="exhausted"/);
  });

  it("and is up since: left alone, and with its whole time before it when dind ends again", async () => {
    await seen();
    dind = { state: RUNNING, started: true };
    await sleep(2 * GRACE_MS);
    assert.deepEqual(steps, []);
    dind = { state: BACK_OFF, started: false };
    began = performance.now();
    await until("both steps", () => steps.length === 2, 5);
    assert.ok(performance.now() - began >= GRACE_MS);
  });

  it("once, and takes long to come up: left alone", async () => {
    await seen();
    dind.state = RUNNING;
    await sleep(2 * GRACE_MS);
    assert.deepEqual(steps, []);
  });

  it("and whose agent runs: left alone", async () => {
    agent = RUNNING;
    await sleep(2 * GRACE_MS);
    assert.deepEqual(steps, []);
  });
});
