import assert from "node:assert/strict";
import type { FakeJob } from "../../lab/buildkite";
import { dockerdStartOf } from "../../lab/conformance/dockerd-log";
import { differences } from "../../lab/conformance/expected";
import {
  agentExitOf,
  isSettled,
  jobResultOf,
  type Observation,
  podPhaseOf,
  timesOf,
} from "../../lab/conformance/observation";

const JOB = {
  ...{ id: "j", buildId: "b", buildNumber: 1, pipeline: "web", queue: "q", agentQueryRules: [], command: "true" },
  ...{
    repository: undefined,
    commit: "HEAD",
    branch: "main",
    env: {},
    state: "finished",
    token: "",
    scheduledAt: 1_000,
  },
  ...{ priority: 0, history: [], notifications: [] },
  ...{ starts: 1, refusals: 0, webhooks: [], laterWebhooks: [], chunks: new Map<number, Buffer>() },
} as const satisfies FakeJob;

/** A build that went well: dind began at 2 s, the agent ran from 3 s to 5 s. */
const WELL: Observation = {
  mode: "native",
  buildkite: { ...JOB, startedAt: 3_100, firstLogAt: 3_500, finishedAt: 4_900, result: { exitStatus: "0" } },
  agent: { startedAt: 3_000, endedAt: 5_000.4, exitCode: 0, instances: 1 },
  dind: { startedAt: 2_000, endedAt: 5_700, exitCode: 0, instances: 1 },
  pod: { name: "p", uid: "u", phase: "Succeeded", terminalAt: 6_500, waitingReasons: [] },
  job: { uid: "v", result: "Complete", terminalAt: 7_000 },
  dockerAnsweredAt: 2_400,
  endedAt: 7_100,
};

describe("a conformance case's observation", () => {
  it("gives the times between its moments", () => {
    assert.deepEqual(timesOf(WELL), {
      agentEndToDindEndMs: 700,
      agentEndToPodTerminalMs: 1_500,
      agentEndToJobTerminalMs: 2_000,
      dindStartToAgentStartMs: 1_000,
      dockerFirstAnswerMs: 400,
      actToBuildkiteKnowsMs: undefined,
      scheduledToFirstLogMs: 2_500,
    });
  });

  it("does not take Buildkite's giving up for something it was told", () => {
    const lost = { ...WELL.buildkite, finishedAt: 20_000, lostAt: 20_000 };
    assert.equal(timesOf({ ...WELL, actedAt: 4_000, buildkite: lost }).actToBuildkiteKnowsMs, undefined);
    assert.equal(timesOf({ ...WELL, actedAt: 4_000 }).actToBuildkiteKnowsMs, 900);
  });

  it("is settled only when containers, pod and Job have ended", () => {
    assert.ok(isSettled(WELL));
    assert.ok(!isSettled({ ...WELL, dind: { startedAt: 2_000, instances: 1 } }));
    assert.ok(!isSettled({ ...WELL, agent: { startedAt: 3_000, instances: 1 } }));
    assert.ok(!isSettled({ ...WELL, pod: undefined }));
    assert.ok(!isSettled({ ...WELL, job: { uid: "v" } }));
    const deleted = { name: "p", uid: "u", phase: "Failed", terminalAt: 6_500, deletionAt: 6_000, waitingReasons: [] };
    assert.ok(!isSettled({ ...WELL, pod: deleted }), "a pod that is being deleted is still there");
    assert.ok(isSettled({ ...WELL, pod: { ...deleted, goneAt: 6_600 } }));
    assert.ok(isSettled({ ...WELL, agent: { instances: 0 } }), "an agent that never began has nothing to end");
  });

  it("says in Buildkite's words how the job ended", () => {
    assert.equal(agentExitOf(WELL.buildkite), "0");
    const stopped = { exitStatus: "-1", signal: "SIGTERM", signalReason: "agent_stop" };
    assert.equal(agentExitOf({ ...JOB, result: stopped }), "-1 (agent_stop)");
    assert.equal(agentExitOf({ ...JOB, state: "running", startedAt: 1 }), "still running");
    assert.equal(agentExitOf({ ...JOB, state: "canceled" }), "canceled");
    assert.equal(agentExitOf({ ...JOB, state: "scheduled" }), "not started");
    assert.equal(agentExitOf({ ...JOB, state: "accepted" }), "taken, not started");
  });

  it("tells a deleted pod and a deleted Job", () => {
    assert.equal(podPhaseOf(undefined), "none");
    assert.equal(
      podPhaseOf({ name: "p", uid: "u", phase: "Failed", goneAt: 1, waitingReasons: [] }),
      "Failed, deleted",
    );
    assert.equal(jobResultOf({ uid: "v", goneAt: 1 }), "deleted");
    assert.equal(jobResultOf({ uid: "v" }), "none");
    assert.equal(jobResultOf(undefined), "none");
  });
});

describe("what a conformance case expects", () => {
  const expected = {
    ...{ agentExit: "0", agentCode: 0, dindCode: 0, podPhase: "Succeeded", jobResult: "Complete" },
    ...{ dindEnd: 1_000, podEnd: 2_000, jobEnd: 2_000, podEndsAfterStart: 6_000, podReason: "" },
  } as const;

  it("is met by a build that went well", () => {
    assert.deepEqual(differences(expected, WELL), []);
  });

  it("names every difference", () => {
    const bad: Observation = {
      ...WELL,
      buildkite: { ...JOB, result: { exitStatus: "3" } },
      agent: { ...WELL.agent, exitCode: 137 },
      dind: { startedAt: 2_000, instances: 1 },
      pod: { name: "p", uid: "u", phase: "Running", reason: "Evicted", waitingReasons: [] },
      job: undefined,
    };
    const found = differences(expected, bad).join("\n");
    for (const part of [
      `agent's exit as Buildkite saw it: expected "0", got "3"`,
      "agent's exit code: expected 0, got 137",
      "dind's exit code: expected 0, got none: it goes on",
      `pod phase: expected "Succeeded", got "Running"`,
      `pod's reason: expected "", got "Evicted"`,
      `Job result: expected "Complete", got "none"`,
      "agent end to dind end: expected within 1.0 s, did not happen",
      "agent end to pod end: expected within 2.0 s, did not happen",
      "agent end to Job end: expected within 2.0 s, did not happen",
      "pod's end after its start: expected within 6.0 s, did not happen",
    ]) {
      assert.ok(found.includes(part), `${part}\n--\n${found}`);
    }
  });

  it("knows what is too late, and what must never happen", () => {
    assert.match(differences({ dindEnd: 699 }, WELL)[0] ?? "", /within 0.7 s, took 0.7 s/);
    assert.deepEqual(differences({ dindEnd: 700 }, WELL), []);
    assert.match(differences({ dindEnd: "never" }, WELL)[0] ?? "", /expected never/);
    assert.deepEqual(differences({ buildkiteKnows: "never" }, WELL), []);
  });

  it("takes lists and patterns, and a container that must not begin", () => {
    assert.deepEqual(differences({ podPhase: ["Failed", "Succeeded"], agentExit: /^0$/, agentCode: [0, 1] }, WELL), []);
    assert.equal(differences({ podPhase: ["Failed"], agentExit: /^1$/, agentCode: [1, 2] }, WELL).length, 3);
    assert.match(differences({ agentCode: "none" }, WELL)[0] ?? "", /was not to begin/);
    assert.deepEqual(differences({ agentCode: "none" }, { ...WELL, agent: { instances: 0 } }), []);
  });
});

describe("dockerd's own log", () => {
  const line = (time: string, message: string) => `time="2026-01-01T00:00:${time}Z" level=info msg="${message}"`;

  it("tells when it started and when it answered", () => {
    const log = [line("01.100", "Starting up"), line("01.2", "loading"), line("01.550", "API listen on /run/d.sock")];
    const start = dockerdStartOf(log.join("\n"));
    assert.equal((start?.listeningAt ?? 0) - (start?.startingUpAt ?? 0), 450);
  });

  it("may not have got that far", () => {
    assert.equal(dockerdStartOf(line("01.100", "Starting up")), undefined);
    assert.equal(dockerdStartOf(""), undefined);
  });
});
