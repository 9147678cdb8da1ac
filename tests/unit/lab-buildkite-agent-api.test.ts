import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";

interface Answer {
  status: number;
  body: Record<string, unknown>;
  headers: Headers;
}

interface Call {
  token?: string;
  json?: unknown;
  raw?: Uint8Array;
  headers?: Record<string, string>;
}

const LOCK = { "X-Buildkite-Lock-Acquire-Job": "1", "X-Buildkite-Backoff-Sequence": "0" };

describe("the fake Buildkite's agent API", () => {
  let fake: FakeBuildkite;

  beforeEach(async () => {
    fake = new FakeBuildkite({ agentToken: "agent-token", webhookSecret: "s", seed: 7, agentLostAfterSeconds: 0.2 });
    await fake.start();
  });

  afterEach(async () => {
    await fake.stop();
  });

  async function call(method: string, path: string, { token, json, raw, headers }: Call = {}): Promise<Answer> {
    const response = await fetch(`${fake.url}/v3${path}`, {
      method,
      body: raw ?? (json === undefined ? undefined : JSON.stringify(json)),
      headers: { ...(token === undefined ? {} : { Authorization: `Token ${token}` }), ...headers },
    });
    const text = await response.text();
    const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
    return { status: response.status, body, headers: response.headers };
  }

  async function agent(tags = ["queue=linux"], acquires = true): Promise<string> {
    const json = { name: "a", version: "3.130.0", meta_data: tags, ignore_in_dispatches: acquires };
    const { status, body } = await call("POST", "/register", { token: "agent-token", json });
    assert.equal(status, 200);
    const token = String(body["access_token"]);
    assert.equal((await call("POST", "/connect", { token })).status, 200);
    return token;
  }

  const acquire = (job: FakeJob, token: string): Promise<Answer> =>
    call("PUT", `/jobs/${job.id}/acquire`, { token, headers: LOCK });
  const finish = (job: FakeJob, exitStatus = "0"): Promise<Answer> =>
    call("PUT", `/jobs/${job.id}/finish`, {
      token: job.token,
      json: { exit_status: exitStatus, finished_at: new Date().toISOString(), chunks_failed_count: 0 },
    });

  it("takes a job from scheduled over accepted and running to finished", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1.5, exitStatus: 3 });
    const token = await agent();
    const { status, body } = await acquire(job, token);
    assert.equal(status, 200);
    assert.equal(body["id"], job.id);
    assert.equal(body["token"], job.token);
    assert.ok(Number(body["chunks_max_size_bytes"]) > 0);
    const env = body["env"] as Record<string, string>;
    assert.ok(Object.values(env).every((value) => typeof value === "string" && value !== ""));
    for (const name of ["JOB_ID", "REPO", "COMMIT", "BRANCH", "AGENT_NAME", "ORGANIZATION_SLUG", "PIPELINE_SLUG"]) {
      assert.ok(`BUILDKITE_${name}` in env, name);
    }
    assert.equal(env["BUILDKITE_COMMAND"], "sleep 1.5; exit 3");
    assert.equal(job.state, "accepted");
    assert.equal((await call("PUT", `/jobs/${job.id}/start`, { token: job.token, json: {} })).status, 200);
    assert.deepEqual((await call("GET", `/jobs/${job.id}`, { token: job.token })).body, { state: "running" });
    const text = Buffer.from("hello");
    const path = `/jobs/${job.id}/chunks?sequence=1&offset=0&size=${text.length}`;
    assert.equal((await call("POST", path, { token: job.token, raw: gzipSync(text) })).status, 201);
    assert.equal((await finish(job, "3")).status, 200);
    assert.equal(job.state, "finished");
    assert.deepEqual(job.result, { exitStatus: "3" });
    assert.equal(job.chunks.get(1)?.toString(), "hello");
    assert.equal((await call("POST", "/disconnect", { token })).status, 200);
    assert.deepEqual(fake.summary(), {
      ...{ scheduled: 1, ranOnce: 1, twice: 0, interrupted: 0, canceled: 0, lost: 0, running: 0 },
      ...{ refusedAcquires: 0, failedWebhooks: 1 },
    });
    assert.deepEqual(fake.violations(), []);
  });

  it("gives registered agents whole intervals of at least one second", async () => {
    const json = { name: "a", version: "3", meta_data: [] };
    const { body } = await call("POST", "/register", { token: "agent-token", json });
    for (const name of ["ping_interval", "job_status_interval", "heartbeat_interval"]) {
      assert.ok(Number.isInteger(body[name]) && Number(body[name]) >= 1, name);
    }
  });

  it("wants each route's own kind of token", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    const token = await agent();
    const json = { name: "a", version: "3", meta_data: [] };
    assert.equal((await call("POST", "/register", { token, json })).status, 401);
    assert.equal((await call("POST", "/register", { json })).status, 401);
    assert.equal((await call("POST", "/connect", { token: "agent-token" })).status, 401);
    assert.equal((await acquire(job, "agent-token")).status, 401);
    await acquire(job, token);
    assert.equal((await call("PUT", `/jobs/${job.id}/start`, { token, json: {} })).status, 401);
    assert.equal(job.state, "accepted");
  });

  it("refuses the old agent token once it is rotated, and lets registered agents go on", async () => {
    const token = await agent();
    fake.rotateAgentToken("new-token");
    const json = { name: "a", version: "3", meta_data: [] };
    assert.equal((await call("POST", "/register", { token: "agent-token", json })).status, 401);
    assert.equal((await call("POST", "/register", { token: "new-token", json })).status, 200);
    assert.equal((await call("GET", "/ping", { token })).status, 200);
  });

  it("answers 404 for unknown jobs and for the streaming ping", async () => {
    const token = await agent();
    assert.equal((await call("PUT", "/jobs/no-such/acquire", { token, headers: LOCK })).status, 404);
    const stream = await fetch(`${fake.url}/agentedge.v1.AgentEdgeService/StreamPings`, { method: "POST" });
    assert.equal(stream.status, 404);
  });

  it("refuses acquire without its lock header, and without its back-off header", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    const token = await agent();
    for (const missing of Object.keys(LOCK)) {
      const headers = Object.fromEntries(Object.entries(LOCK).filter(([name]) => name !== missing));
      assert.equal((await call("PUT", `/jobs/${job.id}/acquire`, { token, headers })).status, 422, missing);
    }
    assert.equal(job.state, "scheduled");
    assert.equal(fake.violations().length, 2);
  });

  it("gives a job to one agent only, and again to that one while it has not started", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    const [first, second] = [await agent(), await agent()];
    assert.equal((await acquire(job, first)).status, 200);
    assert.equal((await acquire(job, second)).status, 422);
    assert.deepEqual((await acquire(job, first)).body["id"], job.id);
    await call("PUT", `/jobs/${job.id}/start`, { token: job.token, json: {} });
    assert.equal((await acquire(job, first)).status, 422);
    assert.equal(fake.summary().refusedAcquires, 2);
  });

  it("counts a second start as a build that ran twice, and refuses it", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    await acquire(job, await agent());
    const start = (): Promise<Answer> => call("PUT", `/jobs/${job.id}/start`, { token: job.token, json: {} });
    assert.equal((await start()).status, 200);
    assert.equal((await start()).status, 422);
    await finish(job);
    assert.equal(fake.summary().twice, 1);
    assert.equal(fake.summary().ranOnce, 0);
  });

  it("refuses start and finish in the wrong state, and an exit status that is a number", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    const start = { token: job.token, json: {} };
    assert.equal((await call("PUT", `/jobs/${job.id}/start`, start)).status, 422);
    await acquire(job, await agent());
    assert.equal((await finish(job)).status, 422);
    await call("PUT", `/jobs/${job.id}/start`, start);
    const wrong = { exit_status: 0, finished_at: "now" };
    assert.equal((await call("PUT", `/jobs/${job.id}/finish`, { token: job.token, json: wrong })).status, 422);
    assert.equal((await finish(job)).status, 200);
    assert.equal((await finish(job)).status, 422);
  });

  it("answers 423 with Retry-After while a job is limited or waiting", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1, state: "limited" });
    const token = await agent();
    const { status, headers } = await acquire(job, token);
    assert.equal(status, 423);
    assert.equal(headers.get("retry-after"), "1");
    fake.release(job.id);
    assert.equal((await acquire(job, token)).status, 200);
  });

  it("hides a job from an agent of another queue", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    assert.equal((await acquire(job, await agent(["queue=macos"]))).status, 404);
  });

  it("hands out jobs by ping in order, only where every rule is met, and takes an unaccepted one back", async () => {
    const wanting = fake.schedule({ queue: "linux", seconds: 1, agentQueryRules: ["docker=true", "arch=*"] });
    const plain = fake.schedule({ queue: "linux", seconds: 1 });
    const pinged = async (token: string): Promise<unknown> =>
      ((await call("GET", "/ping", { token })).body["job"] as { id: string } | undefined)?.id;
    assert.equal(await pinged(await agent(["queue=linux"], true)), undefined);
    const simple = await agent(["queue=linux"], false);
    assert.equal(await pinged(simple), plain.id);
    assert.equal(await pinged(simple), plain.id, "the same again until it is accepted");
    const able = await agent(["queue=linux", "docker=true", "arch=arm"], false);
    assert.equal(await pinged(able), wanting.id);
    assert.equal((await call("PUT", `/jobs/${wanting.id}/accept`, { token: simple })).status, 422);
    assert.equal((await call("PUT", `/jobs/${wanting.id}/accept`, { token: able })).status, 200);
    await call("POST", "/disconnect", { token: simple });
    assert.equal(plain.state, "scheduled");
  });

  it("tells a running job that it is being canceled, and ends a waiting one at once", async () => {
    const [running, waiting] = [1, 2].map(() => fake.schedule({ queue: "linux", seconds: 1 }));
    assert.ok(running !== undefined && waiting !== undefined);
    const token = await agent();
    await acquire(running, token);
    await call("PUT", `/jobs/${running.id}/start`, { token: running.token, json: {} });
    fake.cancel(running.id);
    fake.cancel(waiting.id);
    assert.deepEqual((await call("GET", `/jobs/${running.id}`, { token: running.token })).body, { state: "canceling" });
    await finish(running, "-1");
    assert.equal(running.state, "canceled");
    assert.equal(waiting.state, "canceled");
    assert.equal((await acquire(waiting, await agent())).status, 422);
    assert.equal(fake.summary().canceled, 1);
  });

  it("ends the job of an agent that is not heard of any more", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    await acquire(job, await agent());
    await call("PUT", `/jobs/${job.id}/start`, { token: job.token, json: {} });
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual(job.result, { exitStatus: "-1", signalReason: "agent_lost" });
    assert.equal(fake.summary().interrupted, 1);
  });

  it("refuses log chunks that are not what they say", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    const path = `/jobs/${job.id}/chunks?sequence=1&offset=0&size=4`;
    const post = async (raw: Uint8Array): Promise<number> =>
      (await call("POST", path, { token: job.token, raw })).status;
    assert.equal(await post(Buffer.from("text")), 422);
    assert.equal(await post(gzipSync("too long")), 422);
    assert.equal(await post(gzipSync("good")), 201);
  });

  it("gives the same job ids for the same seed, in Buildkite's format", async () => {
    const again = new FakeBuildkite({ agentToken: "x", webhookSecret: "s", seed: 7 });
    const ids = [1, 2, 3].map(() => again.schedule({ queue: "q", seconds: 1 }).id);
    assert.deepEqual(
      [1, 2, 3].map(() => fake.schedule({ queue: "q", seconds: 1 }).id),
      ids,
    );
    assert.ok(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)));
    assert.equal(new Set(ids).size, 3);
    await again.stop();
  });

  it("lets a person schedule and see builds over HTTP, and says what is wrong with a request", async () => {
    const post = (body: unknown): Promise<Response> =>
      fetch(`${fake.url}/builds`, { method: "POST", body: JSON.stringify(body) });
    assert.equal((await post({ queue: "linux", seconds: 2, exitStatus: 1 })).status, 201);
    assert.equal(fake.jobs()[0]?.command, "sleep 2; exit 1");
    assert.equal((await post({ queue: "linux", command: "docker info" })).status, 201);
    assert.equal(fake.jobs()[1]?.command, "docker info");
    for (const wrong of [
      {},
      { queue: "q", seconds: "2" },
      { queue: "q", seconds: 1, exitStatus: -1 },
      { queue: "q", command: 1 },
      [],
    ]) {
      const response = await post(wrong);
      assert.ok([400, 422].includes(response.status), JSON.stringify(wrong));
    }
    const list = (await (await fetch(`${fake.url}/builds`)).json()) as unknown[];
    assert.equal(list.length, 2);
    assert.equal((await fetch(`${fake.url}/builds`, { method: "DELETE" })).status, 405);
  });
});
