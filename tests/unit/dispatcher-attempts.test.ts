import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Attempts, MOST_EXHAUSTED } from "../../dispatcher/buildkite/attempts";
import { Report } from "../../dispatcher/buildkite/report";
import { HeldJob } from "../../dispatcher/held-job";
import { createLog } from "../../dispatcher/log";
import { createMetrics } from "../../dispatcher/metrics";

const UNTIL_STOP = new AbortController().signal;

function held(more: { agentMode?: "acquire" | "queue"; refusal?: string; refusedForGood?: boolean } = {}): HeldJob {
  const { agentMode = "acquire", refusal, refusedForGood = false } = more;
  const route = { key: "k8s", default: true, tags: ["queue=k8s"], template: "k8s", agentMode };
  const job = { uuid: randomUUID(), queue: "k8s", pipeline: "web" };
  const one = new HeldJob({ job, route, arrivedAt: 0, source: "reconcile" });
  return Object.assign(one, { refusal, refusedForGood, attempt: 3 });
}

describe("jobs for which another pod would not help", () => {
  let told: [string, string][];
  let lines: Record<string, unknown>[];
  let attempts: Attempts;

  beforeEach(() => {
    told = [];
    lines = [];
    attempts = new Attempts({
      report: {
        giveUp: (uuid, cause) => {
          told.push([uuid, cause]);
          return Promise.resolve("finished");
        },
      },
      namespace: "agents",
      metrics: createMetrics("test"),
      log: createLog((line) => lines.push(JSON.parse(line) as Record<string, unknown>)),
    });
  });

  it("are told to Buildkite after the last attempt, with where to look", () => {
    const job = held();
    attempts.decided(job, "exhausted");
    const [[uuid, cause] = []] = told;
    assert.equal(uuid, job.work.job.uuid);
    assert.match(cause ?? "", /^3 pods in a row .* kubectl -n agents describe job buildkite-[0-9a-f-]{36}$/);
  });

  it("are told with the policy's words where the Job is refused, but not where it is our rights that lack", () => {
    attempts.decided(held({ refusal: "denied by policy p", refusedForGood: true }), "refused");
    attempts.decided(held({ refusal: "cannot create jobs" }), "refused");
    assert.deepEqual(
      told.map(([, cause]) => cause),
      ["Kubernetes refuses the build's pod: denied by policy p"],
    );
  });

  it("are no job's of a queue whose pods are capacity, and no job's that went well", () => {
    attempts.decided(held({ agentMode: "queue" }), "exhausted");
    attempts.decided(held(), "created");
    assert.deepEqual(told, []);
  });

  it("stop their queue when there are five in a row, said once; a job that an agent takes lets it go on", () => {
    for (let count = 1; count <= MOST_EXHAUSTED + 2; count++) {
      assert.equal(attempts.isStopped("k8s"), count > MOST_EXHAUSTED);
      attempts.decided(held(), "exhausted");
    }
    assert.equal(lines.filter(({ event, level }) => event === "queue stopped" && level === "error").length, 1);
    assert.equal(attempts.isStopped("another"), false);
    attempts.succeeded("k8s");
    assert.equal(attempts.isStopped("k8s"), false);
  });

  it("do not stop their queue for what ended before this process began: the cause may have been mended since", () => {
    for (let count = 0; count < 2 * MOST_EXHAUSTED; count++) {
      attempts.decided(Object.assign(held(), { endedAt: Date.now() - 60_000 }), "exhausted");
    }
    assert.equal(told.length, 2 * MOST_EXHAUSTED);
    assert.equal(attempts.isStopped("k8s"), false);
    for (let count = 0; count < MOST_EXHAUSTED; count++) {
      attempts.decided(Object.assign(held(), { endedAt: Date.now() + 1000 }), "exhausted");
    }
    assert.equal(attempts.isStopped("k8s"), true);
  });

  it("count once each: one of which Buildkite does not hear, so that it is decided again and again, stops no queue", () => {
    const untold = held();
    for (let count = 0; count < 2 * MOST_EXHAUSTED; count++) {
      attempts.decided(untold, "exhausted");
    }
    assert.equal(told.length, 2 * MOST_EXHAUSTED, "it is told each time");
    assert.equal(attempts.isStopped("k8s"), false);
    for (let others = 1; others < MOST_EXHAUSTED; others++) {
      assert.equal(attempts.isStopped("k8s"), false);
      attempts.decided(held(), "exhausted");
    }
    assert.equal(attempts.isStopped("k8s"), true);
  });

  it("count anew after each that an agent took", () => {
    for (let count = 0; count < 2 * MOST_EXHAUSTED; count++) {
      attempts.decided(held(), "exhausted");
      if (count % 3 === 0) {
        attempts.succeeded("k8s");
      }
    }
    assert.equal(attempts.isStopped("k8s"), false);
  });
});

describe("a report to Buildkite", () => {
  const calls: string[] = [];
  const giveUp = (state: string | undefined | Error, taken = true): Promise<string> => {
    calls.length = 0;
    const call = (name: string) => (uuid: string, words: string) => {
      calls.push(`${name} ${uuid} ${words}`);
      return Promise.resolve(taken);
    };
    const ask = (): Promise<string | undefined> =>
      state instanceof Error ? Promise.reject(state) : Promise.resolve(state);
    const client = { finish: call("finish"), notify: call("notify") };
    return new Report(
      client,
      { ask },
      createLog(() => undefined),
      UNTIL_STOP,
    ).giveUp("j", "why");
  };

  it("finishes a job that no agent has", async () => {
    for (const state of ["scheduled", "reserved"]) {
      assert.equal(await giveUp(state), "finished");
      assert.deepEqual(calls, ["finish j why"]);
    }
    assert.equal(await giveUp("scheduled", false), "unneeded", "another replica was first");
  });

  it("writes a note where an agent has it", async () => {
    for (const state of ["assigned", "accepted", "running"]) {
      assert.equal(await giveUp(state), "noted");
      assert.deepEqual(calls, ["notify j why"]);
    }
  });

  it("says nothing of a job that is over, not known, or in a state that is not", async () => {
    for (const state of ["canceled", "finished", "canceling", undefined, "half_asleep"]) {
      assert.equal(await giveUp(state), "unneeded");
      assert.deepEqual(calls, []);
    }
  });

  it("of a lost agent: finishes the job, where Buildkite refuses that writes a note, and neither where it is over", async () => {
    const lost = async (states: string[], taken: boolean): Promise<string[]> => {
      const calls: string[] = [];
      const call = (name: string, answer: boolean) => () => {
        calls.push(name);
        return Promise.resolve(answer);
      };
      const report = new Report(
        { finish: call("finish", taken), notify: call("notify", true) },
        { ask: () => Promise.resolve(states.shift()) },
        createLog(() => undefined),
        UNTIL_STOP,
      );
      return [await report.agentLost("j", "why"), ...calls];
    };
    assert.deepEqual(await lost(["running"], true), ["finished", "finish"]);
    assert.deepEqual(await lost(["running", "running"], false), ["noted", "finish", "notify"]);
    assert.deepEqual(await lost(["running", "finished"], false), ["unneeded", "finish"]);
    for (const state of ["finished", "canceling", "scheduled", "half_asleep"]) {
      assert.deepEqual(await lost([state], true), ["unneeded"]);
    }
  });

  it("notes a wait beside a job that waits, and beside no other", async () => {
    const calls: string[] = [];
    const client = {
      finish: () => assert.fail("a wait is no failure"),
      notify: (_: string, words: string) => {
        calls.push(words);
        return Promise.resolve(true);
      },
    };
    const noted = (state: string): Promise<string> =>
      new Report(
        client,
        { ask: () => Promise.resolve(state) },
        createLog(() => undefined),
        UNTIL_STOP,
      ).note("j", "waits");
    assert.deepEqual(
      [await noted("scheduled"), await noted("running"), await noted("canceled")],
      ["noted", "unneeded", "unneeded"],
    );
    assert.deepEqual(calls, ["waits"]);
  });

  it("leaves the job as it is when Buildkite cannot be asked", async () => {
    assert.equal(await giveUp(new Error("away")), "unsaid");
  });
});
