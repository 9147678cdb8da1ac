import assert from "node:assert/strict";
import { AgentLost, agentsDeath } from "../../dispatcher/buildkite/agent-lost";
import type { Reported } from "../../dispatcher/buildkite/report";
import type { SeenJob } from "../../dispatcher/jobs-watch";
import type { Pod } from "../../dispatcher/kubernetes/objects";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";

const STARTED = "2026-01-01T10:00:00Z";
const UNTIL_STOP = new AbortController().signal;

function podOf(terminated: object | undefined, more: NonNullable<Pod["status"]> = {}): Pod {
  const state = terminated === undefined ? { running: { startedAt: STARTED } } : { terminated };
  const ownerReferences = [{ kind: "Job", name: "buildkite-u", uid: "job", controller: true }];
  return {
    metadata: { name: "p", uid: "pod", ownerReferences },
    spec: { nodeName: "n1" },
    status: { phase: "Failed", containerStatuses: [{ name: "agent", state }], ...more },
  };
}

describe("how an agent died", () => {
  const deaths: [string, Pod, RegExp | undefined][] = [
    ["by the kernel's hand", podOf({ exitCode: 137, reason: "OOMKilled", startedAt: STARTED }), /ran out of memory on/],
    ["by a signal", podOf({ exitCode: 137, reason: "Error", startedAt: STARTED }), /was killed on node n1 .*137/],
    [
      "with its node",
      podOf(undefined, {
        conditions: [{ type: "DisruptionTarget", status: "True", reason: "DeletionByPodGC", message: "no node" }],
      }),
      /^its pod ended on node n1 \(DeletionByPodGC\): no node$/,
    ],
    [
      "by eviction",
      podOf({ exitCode: 143, startedAt: STARTED }, { reason: "Evicted", message: "low on disk" }),
      /\(Evicted\): low on disk$/,
    ],
    ["not at all: it ended by itself", podOf({ exitCode: 0, reason: "Completed", startedAt: STARTED }), undefined],
    ["not at all: it was refused the job", podOf({ exitCode: 27, reason: "Error", startedAt: STARTED }), undefined],
    [
      "not at all: it could not be started",
      podOf({ exitCode: 128, reason: "StartError", startedAt: "1970-01-01T00:00:00Z" }),
      undefined,
    ],
  ];
  for (const [how, pod, words] of deaths) {
    it(`is told: ${how}`, () => {
      const told = agentsDeath(pod);
      assert.equal(told === undefined, words === undefined, told);
      assert.match(told ?? "", words ?? /^$/);
    });
  }
});

describe("a build whose agent was lost", () => {
  let pods: Pod[];
  let uid: string;
  let reported: Reported;
  let told: string[];
  let lost: AgentLost;
  const metrics = createMetrics("test");
  const job: SeenJob = {
    ...{ name: "buildkite-u", uid: "job", queue: "k8s", pipeline: "web", attempt: 1, finished: true },
    ...{ createdAt: 1, endedAt: 2, failure: "PodFailurePolicy", waitsUntil: undefined },
  };

  beforeEach(() => {
    pods = [podOf({ exitCode: 137, reason: "OOMKilled", startedAt: STARTED })];
    uid = "job";
    reported = "finished";
    told = [];
    lost = make(0);
  });

  function make(afterMs: number): AgentLost {
    const conditions = [{ type: "Failed", status: "True" }];
    return new AgentLost({
      api: {
        readJob: () => Promise.resolve({ metadata: { name: job.name, uid }, status: { conditions } }),
        podsOf: () => Promise.resolve(pods),
      },
      jobs: { finished: () => [job, { ...job, uid: "capacity", queue: "seed" }] },
      report: {
        agentLost: (uuid, cause) => {
          told.push(`${uuid} ${cause}`);
          return Promise.resolve(reported);
        },
      },
      queues: [
        { key: "k8s", default: true, tags: [], template: "k8s", agentMode: "acquire" },
        { key: "seed", default: false, tags: [], template: "seed", agentMode: "queue" },
      ],
      ...{ metrics, log: createLog(() => undefined), afterMs },
    });
  }
  const look = async (state: string | undefined): Promise<string[]> => {
    for (const suspect of lost.suspects()) {
      await lost.judge(suspect, state, UNTIL_STOP);
    }
    return told;
  };

  it("is told once, with the cause; and counted", async () => {
    assert.match((await look("running"))[0] ?? "", /^u The build's agent was lost: it ran out of memory on node n1/);
    await look("running");
    assert.equal(told.length, 1);
    const text = await metrics.registry.metrics();
    assert.match(text, /given_up_total\{queue="k8s",cause="agent_lost",reported="finished"\} 1/);
  });

  it("is left alone where the build has ended, waits for another pod, or Buildkite does not know it", async () => {
    for (const state of ["finished", "canceling", "scheduled", "half_asleep", undefined]) {
      lost = make(0);
      assert.deepEqual(await look(state), []);
      assert.deepEqual(lost.suspects(), [], "it is asked for again and again");
    }
  });

  it("is given time for the agent's own word, and its pod time to end", async () => {
    lost = make(60_000);
    assert.deepEqual(await look("running"), []);
    lost = make(0);
    pods = [podOf(undefined, { phase: "Running" })];
    assert.deepEqual(await look("running"), []);
    pods = [podOf({ exitCode: 137, startedAt: STARTED })];
    assert.equal((await look("running")).length, 1);
  });

  it("is left alone where the agent ended by itself: another agent may have the build", async () => {
    pods = [podOf({ exitCode: 27, startedAt: STARTED })];
    assert.deepEqual(await look("running"), []);
  });

  it("is left alone where another Job has the name by now", async () => {
    uid = "another";
    assert.deepEqual(await look("running"), []);
  });

  it("whose pod is gone is told only if an agent was seen to have it while the Job was live", async () => {
    pods = [];
    assert.deepEqual(await look("running"), []);
    lost = make(0);
    lost.taken("job");
    lost.keep([{ ...job, finished: false }]);
    lost.suspects();
    lost.keep([]);
    assert.match((await look("running"))[0] ?? "", /its pod is gone$/);
  });

  it("is told later where Buildkite cannot be asked just now", async () => {
    reported = "unsaid";
    await look("running");
    reported = "noted";
    await look("running");
    await look("running");
    assert.equal(told.length, 2);
  });
});
