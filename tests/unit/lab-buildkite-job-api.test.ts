import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { FakeBuildkite, logOf, type FakeJob, type JobMoment } from "../../lab/buildkite";

const LOCK = { "X-Buildkite-Lock-Acquire-Job": "1", "X-Buildkite-Backoff-Sequence": "0" };

describe("the fake Buildkite, for builds of real agents", () => {
  let fake: FakeBuildkite;
  const moments: JobMoment[] = [];

  beforeEach(async () => {
    fake = new FakeBuildkite({ agentToken: "agent-token", webhookSecret: "s", seed: 7, agentLostAfterSeconds: 0.2 });
    await fake.start();
    moments.length = 0;
    fake.on("job", (_job, moment) => moments.push(moment));
  });

  afterEach(async () => {
    await fake.stop();
  });

  async function call(method: string, path: string, token: string, json?: unknown, headers?: Record<string, string>) {
    const body =
      json instanceof Uint8Array ? new Uint8Array(json) : json === undefined ? undefined : JSON.stringify(json);
    const url = `${fake.url}/v3${path}`;
    const response = await fetch(url, { method, body, headers: { Authorization: `Token ${token}`, ...headers } });
    const text = await response.text();
    return { status: response.status, body: (text === "" ? undefined : JSON.parse(text)) as unknown };
  }

  async function started(build: Parameters<FakeBuildkite["schedule"]>[0]): Promise<{ job: FakeJob; agent: string }> {
    const job = fake.schedule(build);
    const json = { name: "a", version: "3.130.0", meta_data: [`queue=${build.queue}`], ignore_in_dispatches: true };
    const { body } = await call("POST", "/register", "agent-token", json);
    const agent = (body as { access_token: string }).access_token;
    await call("POST", "/connect", agent);
    await call("PUT", `/jobs/${job.id}/acquire`, agent, undefined, LOCK);
    await call("PUT", `/jobs/${job.id}/start`, job.token, {});
    return { job, agent };
  }

  const finish = (job: FakeJob) =>
    call("PUT", `/jobs/${job.id}/finish`, job.token, { exit_status: "0", finished_at: new Date().toISOString() });

  it("gives the agent the build's own command, repository and environment", async () => {
    const job = fake.schedule({
      ...{ queue: "linux", command: "make test", repository: "http://git.example/web.git" },
      ...{ commit: "abc", branch: "topic", env: { MORE: "yes", BUILDKITE_PIPELINE_SLUG: "mine" } },
    });
    const json = { name: "a", version: "3.130.0", meta_data: ["queue=linux"], ignore_in_dispatches: true };
    const agent = ((await call("POST", "/register", "agent-token", json)).body as { access_token: string })
      .access_token;
    await call("POST", "/connect", agent);
    const { body } = await call("PUT", `/jobs/${job.id}/acquire`, agent, undefined, LOCK);
    const { env } = body as { env: Record<string, string> };
    assert.equal(env["BUILDKITE_COMMAND"], "make test");
    assert.equal(env["BUILDKITE_REPO"], "http://git.example/web.git");
    assert.equal(env["BUILDKITE_COMMIT"], "abc");
    assert.equal(env["BUILDKITE_BRANCH"], "topic");
    assert.equal(env["MORE"], "yes");
    assert.equal(env["BUILDKITE_PIPELINE_SLUG"], "mine");
    assert.ok(!("BUILDKITE_SKIP_CHECKOUT" in env), "a build with a repository is checked out");
  });

  it("puts a log together in order, without stamps and colours", async () => {
    const { job } = await started({ queue: "linux", seconds: 1 });
    const pieces = ["\u001b_bk;t=1700000000000\u0007~~~ \u001b[33mRunning\u001b[0m\r\n", "hello\r\r\n", "bye\n"];
    for (const sequence of [3, 1, 2]) {
      const text = Buffer.from(pieces[sequence - 1] ?? "");
      const path = `/jobs/${job.id}/chunks?sequence=${sequence}&offset=0&size=${text.length}`;
      assert.equal((await call("POST", path, job.token, gzipSync(text))).status, 201);
    }
    assert.equal(logOf(job), "~~~ Running\nhello\nbye\n");
  });

  it("keeps the times of a job and its agent, each moment once", async () => {
    const { job, agent } = await started({ queue: "linux", seconds: 1 });
    for (const sequence of [1, 2]) {
      await call("POST", `/jobs/${job.id}/chunks?sequence=${sequence}&offset=0&size=1`, job.token, gzipSync("x"));
    }
    await call("POST", "/stop", agent, {});
    await finish(job);
    await call("POST", "/disconnect", agent);
    const ended: JobMoment[] = ["finished", "agent-disconnected"];
    assert.deepEqual(
      moments.filter((moment) => moment !== "webhook"),
      ["scheduled", "acquired", "started", "first-log", "agent-stopping", ...ended],
    );
    const { scheduledAt, acquiredAt, startedAt, firstLogAt, agentStoppingAt, finishedAt, agentDisconnectedAt } = job;
    const times = [scheduledAt, acquiredAt, startedAt, firstLogAt, agentStoppingAt, finishedAt, agentDisconnectedAt];
    assert.ok(times.every((time) => time !== undefined));
    assert.deepEqual([...times].sort(), times);
    assert.equal(fake.agents()[0]?.disconnectedAt, agentDisconnectedAt);
  });

  it("says when an agent was given up, and not that it signed off", async () => {
    const { job } = await started({ queue: "linux", seconds: 1 });
    const limit = Date.now() + 3_000;
    while (job.state !== "finished" && Date.now() < limit) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(job.result, { exitStatus: "-1", signalReason: "agent_lost" });
    assert.ok(job.lostAt !== undefined);
    assert.equal(job.agentDisconnectedAt, undefined);
  });

  it("keeps meta-data per build, for the job's own token only", async () => {
    const { job, agent } = await started({ queue: "linux", seconds: 1 });
    const other = await started({ queue: "linux", seconds: 1 });
    const ask = (of: FakeJob, action: string, json?: unknown) =>
      call("POST", `/jobs/${of.id}/data/${action}`, of.token, json);
    assert.deepEqual((await ask(job, "exists", { key: "k" })).body, { exists: false });
    assert.equal((await ask(job, "get", { key: "k" })).status, 404);
    assert.equal((await ask(job, "set", { key: "k", value: "v" })).status, 200);
    assert.equal((await ask(job, "set-batch", { items: [{ key: "l", value: "w" }] })).status, 200);
    assert.deepEqual((await ask(job, "get", { key: "k" })).body, { key: "k", value: "v" });
    assert.deepEqual((await ask(job, "keys")).body, ["k", "l"]);
    assert.deepEqual((await ask(other.job, "exists", { key: "k" })).body, { exists: false });
    assert.equal((await call("POST", `/jobs/${job.id}/data/set`, agent, { key: "k", value: "x" })).status, 401);
  });
});
