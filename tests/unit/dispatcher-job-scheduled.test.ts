import assert from "node:assert/strict";
import { readJobScheduled, readTime } from "../../dispatcher/job-scheduled";
import { scheduledBody, vector } from "../support/webhooks";

type Fields = Record<string, unknown>;
const UUID = "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";

function example(change: (body: Record<"job" | "build" | "pipeline", Fields> & Fields) => void = () => undefined) {
  const body = JSON.parse(vector("job.scheduled.example.json").toString()) as Parameters<typeof change>[0];
  change(body);
  return readJobScheduled(body);
}

describe("a job.scheduled body", () => {
  it("gives what is used of it, and nothing else", () => {
    assert.deepEqual(example(), {
      uuid: UUID,
      agentQueryRules: ["queue=k8s", "docker=true"],
      clusterId: "42f1a7da-812d-4430-93d8-1cc7c33a6bcf",
      pipeline: "web",
      buildUrl: `https://buildkite.com/acme-inc/web/builds/123#${UUID}`,
      runnableAt: Date.parse("2026-11-20T03:24:44.771Z"),
    });
  });

  it("counts whatever the job's state says: a body may show a later state than its event", () => {
    assert.ok("uuid" in example((body) => (body.job["state"] = "assigned")));
  });

  it("may lack everything but event, type, id and rules", () => {
    const body = { event: "job.scheduled", job: { id: UUID, type: "script", agent_query_rules: [] } };
    const job = { uuid: UUID, agentQueryRules: [], pipeline: "unknown" };
    assert.deepEqual(readJobScheduled(body), {
      ...job,
      clusterId: undefined,
      buildUrl: undefined,
      runnableAt: undefined,
    });
  });

  it("takes the cluster from build or pipeline where the job has none", () => {
    const job = example((body) => delete body.job["cluster_id"]);
    assert.equal("uuid" in job && job.clusterId, "42f1a7da-812d-4430-93d8-1cc7c33a6bcf");
    const unclustered = example((body) => {
      for (const part of [body.job, body.build, body.pipeline]) {
        part["cluster_id"] = null;
      }
    });
    assert.equal("uuid" in unclustered && unclustered.clusterId, undefined);
  });

  it("takes no address for the build's that is none", () => {
    for (const url of ["javascript:alert(1)", "https://x y", `https://x/${"y".repeat(2000)}`, 7]) {
      const job = example((body) => (body.job["web_url"] = body.build["web_url"] = url));
      assert.equal("uuid" in job && job.buildUrl, undefined);
    }
  });

  const ignored: [string, string, (body: Record<"job" | "build" | "pipeline", Fields> & Fields) => void][] = [
    ["an event we do not know", "unknown_event", (body) => (body["event"] = "job.reticulated")],
    ["no event", "unknown_event", (body) => delete body["event"]],
    ["an event of no use", "other_event", (body) => (body["event"] = "job.finished")],
    ["a waiter", "job_type", (body) => (body.job["type"] = "waiter")],
    ["a trigger", "job_type", (body) => (body.job["type"] = "trigger")],
    ["no type", "malformed", (body) => delete body.job["type"]],
    ["no job", "malformed", (body) => delete (body as Fields)["job"]],
    ["an id that is no UUID", "malformed", (body) => (body.job["id"] = "a/../b")],
    ["an id in upper case", "malformed", (body) => (body.job["id"] = UUID.toUpperCase())],
    ["rules that are no list", "malformed", (body) => (body.job["agent_query_rules"] = "queue=k8s")],
    ["rules that are no texts", "malformed", (body) => (body.job["agent_query_rules"] = [1])],
    [
      "endless rules",
      "malformed",
      (body) => (body.job["agent_query_rules"] = Array.from({ length: 101 }, () => "a=b")),
    ],
  ];
  for (const [what, cause, change] of ignored) {
    it(`asks for nothing with ${what}`, () => {
      const found = example(change);
      assert.equal("ignored" in found && found.ignored, cause);
    });
  }

  it("is the example when the tests make one", () => {
    const body = JSON.parse(scheduledBody({ uuid: UUID, queue: "large" }).toString()) as Fields;
    const job = readJobScheduled(body);
    assert.deepEqual("uuid" in job && job.agentQueryRules, ["queue=large"]);
  });
});

describe("a time of Buildkite's", () => {
  const times: [unknown, number | undefined][] = [
    ["2026-11-20T03:24:44.771Z", Date.UTC(2026, 10, 20, 3, 24, 44, 771)],
    ["2026-11-20T03:24:44Z", Date.UTC(2026, 10, 20, 3, 24, 44)],
    ["2026-11-20T05:24:44+02:00", Date.UTC(2026, 10, 20, 3, 24, 44)],
    ["2018-07-01 20:14:38 UTC", Date.UTC(2018, 6, 1, 20, 14, 38)],
    [null, undefined],
    [1_700_000_000, undefined],
    ["", undefined],
    ["yesterday", undefined],
    ["2026-13-40T99:99:99Z", undefined],
  ];
  for (const [text, time] of times) {
    it(`${JSON.stringify(text)} is ${String(time)}`, () => {
      assert.equal(readTime(text), time);
    });
  }
});
