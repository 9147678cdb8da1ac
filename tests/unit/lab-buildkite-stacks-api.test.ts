import assert from "node:assert/strict";
import { FakeBuildkite, type FakeJob } from "../../lab/buildkite";

type Body = Record<string, unknown>;

interface Answer {
  status: number;
  body: Body;
  headers: Headers;
}

const LOCK = { "X-Buildkite-Lock-Acquire-Job": "1", "X-Buildkite-Backoff-Sequence": "0" };
const TOKEN = "agent-token";
const REGISTRATION = { key: "k8s-1", type: "custom", queue_key: "linux", metadata: { version: "1" } };

describe("the fake Buildkite's Stacks API", () => {
  let fake: FakeBuildkite;

  beforeEach(async () => {
    fake = new FakeBuildkite({ agentToken: TOKEN, webhookSecret: "s", seed: 7, queues: ["linux", "macos"] });
    await fake.start();
  });

  afterEach(async () => {
    await fake.stop();
  });

  async function call(method: string, path: string, json?: unknown, token = TOKEN): Promise<Answer> {
    const response = await fetch(`${fake.url}/v3${path}`, {
      method,
      body: json === undefined ? undefined : JSON.stringify(json),
      headers: { Authorization: `Token ${token}`, ...LOCK },
    });
    const text = await response.text();
    return { status: response.status, body: (text === "" ? {} : JSON.parse(text)) as Body, headers: response.headers };
  }

  const stack = (path: string): string => `/stacks/k8s-1/${path}`;
  const register = (change: Body = {}): Promise<Answer> =>
    call("POST", "/stacks/register", { ...REGISTRATION, ...change });
  const list = (query = "queue_key=linux"): Promise<Answer> => call("GET", stack(`scheduled-jobs?${query}`));
  const idsOf = ({ body }: Answer): unknown[] => (body["jobs"] as Body[]).map(({ id }) => id);
  const states = async (...jobs: FakeJob[]): Promise<unknown[]> => {
    const uuids = jobs.map(({ id }) => id);
    const { body } = await call("POST", stack("jobs/get-states"), { job_uuids: uuids });
    return uuids.map((id) => (body["states"] as Body)[id]);
  };
  const reserve = (jobs: readonly { id: string }[], seconds?: number, key = "k8s-1"): Promise<Answer> =>
    call("PUT", `/stacks/${key}/scheduled-jobs/batch-reserve`, {
      job_uuids: jobs.map(({ id }) => id),
      ...(seconds === undefined ? {} : { reservation_expiry_seconds: seconds }),
    });
  const finish = (job: FakeJob, json: Body = { exit_status: -1, detail: "no such image" }): Promise<Answer> =>
    call("POST", stack(`jobs/${job.id}/finish`), json);
  const notify = async (...notifications: unknown[]): Promise<unknown> =>
    (await call("POST", stack("notifications"), { notifications })).body["errors"];

  async function agent(token = TOKEN): Promise<string> {
    const json = { name: "a", version: "3.130.0", meta_data: ["queue=linux"], ignore_in_dispatches: true };
    const { status, body } = await call("POST", "/register", json, token);
    assert.equal(status, 200);
    const access = String(body["access_token"]);
    await call("POST", "/connect", undefined, access);
    return access;
  }
  const acquire = async (job: FakeJob, access: string): Promise<number> =>
    (await call("PUT", `/jobs/${job.id}/acquire`, undefined, access)).status;

  it("registers a stack once, 201 and then 200, and shows it as documented", async () => {
    const first = await register();
    assert.equal(first.status, 201);
    const fields = ["cluster_queue_key", "id", "key", "last_connected_on", "metadata", "organization_uuid", "state"];
    assert.deepEqual(Object.keys(first.body).sort(), [...fields, "type"]);
    assert.equal(first.body["cluster_queue_key"], "linux");
    const second = await register({ metadata: { version: "2" } });
    assert.equal(second.status, 200);
    assert.equal(second.body["id"], first.body["id"]);
    assert.deepEqual(second.body["metadata"], { version: "2" });
    assert.equal(fake.registeredStacks().length, 1);
    assert.deepEqual(fake.violations(), []);
  });

  for (const [what, change] of Object.entries({
    "a key with a dot": { key: "a.b" },
    "a key of 81 bytes": { key: "k".repeat(81) },
    "an unknown type": { type: "other" },
    "no queue": { queue_key: undefined },
    "no metadata": { metadata: undefined },
    "a number in the metadata": { metadata: { a: 1 } },
    "a metadata key of 65 characters": { metadata: { ["k".repeat(65)]: "v" } },
    "a metadata value of 257 characters": { metadata: { k: "v".repeat(257) } },
  })) {
    it(`refuses a registration with ${what}, and remembers it`, async () => {
      const { status, body } = await register(change);
      assert.equal(status, 422);
      assert.equal(typeof body["message"], "string");
      assert.equal(fake.violations().length, 1);
    });
  }

  it("refuses a queue that there is not, the 31st stack, and every call of a stack that is not registered", async () => {
    assert.equal((await register({ queue_key: "windows" })).status, 404);
    assert.equal((await list()).status, 404);
    await register();
    assert.equal((await list()).status, 200);
    assert.equal((await list("queue_key=windows")).status, 404);
    assert.equal((await call("POST", stack("deregister"))).status, 204);
    assert.equal((await list()).status, 404);
    for (let count = 0; count < 30; count += 1) {
      // Their limit per second is each stack's own.
      assert.equal((await register({ key: `k${count}` })).status, 201);
    }
    assert.equal((await register()).status, 403);
    fake.forgetStacks();
    assert.equal((await register()).status, 201);
    assert.deepEqual(fake.violations(), []);
  });

  it("wants the agent token, and none once it is revoked", async () => {
    await register();
    assert.equal((await call("GET", stack("scheduled-jobs?queue_key=linux"), undefined, "other")).status, 401);
    const access = await agent();
    await fake.setFaults({ tokenRevoked: true });
    assert.equal((await list()).status, 401);
    assert.equal((await call("GET", "/ping", undefined, access)).status, 200, "a registered agent goes on");
    await fake.setFaults({ tokenRevoked: false });
    assert.equal((await list()).status, 200);
  });

  it("lists a queue's scheduled jobs only, oldest first, with their priority", async () => {
    await register();
    const low = fake.schedule({ queue: "linux" });
    fake.schedule({ queue: "macos" });
    const limited = fake.schedule({ queue: "linux", state: "limited" });
    await new Promise((resolve) => setTimeout(resolve, 2));
    const high = fake.schedule({ queue: "linux", priority: 5, agentQueryRules: ["docker=true"] });
    const answer = await list();
    assert.deepEqual(idsOf(answer), [low.id, high.id]);
    const [, job] = answer.body["jobs"] as Body[];
    assert.equal(job?.["priority"], 5);
    assert.deepEqual(job["agent_query_rules"], ["queue=linux", "docker=true"]);
    assert.equal(job["scheduled_at"], new Date(high.scheduledAt).toISOString());
    assert.deepEqual(Object.keys(job["pipeline"] as Body), ["slug", "uuid"]);
    assert.equal((job["build"] as Body)["number"], high.buildNumber);
    assert.ok("key" in (job["step"] as Body));
    assert.deepEqual(Object.keys(answer.body["cluster_queue"] as Body), ["id", "dispatch_paused"]);
    await new Promise((resolve) => setTimeout(resolve, 2));
    fake.limit(low.id);
    fake.release(limited.id);
    assert.deepEqual(idsOf(await list()), [high.id, limited.id]);
  });

  it("gives pages, each job in one of them, and is no snapshot", async () => {
    await register();
    const jobs = Array.from({ length: 7 }, () => fake.schedule({ queue: "linux" }));
    const seen: unknown[] = [];
    let after: string | null = null;
    for (let page = 0; page < 3; page += 1) {
      const answer: Answer = await list(`queue_key=linux&limit=3${after === null ? "" : `&after=${after}`}`);
      seen.push(...idsOf(answer));
      const info = answer.body["page_info"] as Body;
      assert.equal(info["has_next_page"], page < 2);
      after = info["end_cursor"] as string | null;
      if (page === 0) {
        jobs.push(fake.schedule({ queue: "linux" }));
      }
    }
    assert.deepEqual([...seen].sort(), jobs.map(({ id }) => id).sort());
    assert.deepEqual((await list("queue_key=macos")).body["page_info"], { has_next_page: false, end_cursor: null });
    for (const wrong of ["", "queue_key=linux&limit=0", "queue_key=linux&limit=1001", "queue_key=linux&after=x"]) {
      assert.equal((await list(wrong)).status, 400, wrong);
    }
    assert.equal(fake.violations().length, 4);
  });

  it("reserves for one stack, takes reserved jobs off the list, extends, and gives them back in the end", async () => {
    await register();
    await register({ key: "other" });
    const [job, canceled] = [fake.schedule({ queue: "linux" }), fake.schedule({ queue: "linux" })];
    fake.cancel(canceled.id);
    const unknown = { id: fake.clusterId };
    const { body } = await reserve([job, canceled, unknown], 1);
    assert.deepEqual(body, { reserved: [job.id], not_reserved: [canceled.id, unknown.id] });
    assert.deepEqual(idsOf(await list()), []);
    assert.deepEqual(await states(job), ["reserved"]);
    assert.deepEqual((await reserve([job], 1, "other")).body["not_reserved"], [job.id]);
    assert.deepEqual((await reserve([job], 1)).body["reserved"], [job.id]);
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    assert.deepEqual(idsOf(await list()), [job.id]);
    assert.equal((await reserve([job], 3_601)).status, 400);
    assert.equal((await reserve(Array.from({ length: 1_001 }, () => job))).status, 400);
  });

  it("lets an agent of the same token acquire a reserved job, and another agent token not", async () => {
    await register();
    const job = fake.schedule({ queue: "linux" });
    await reserve([job]);
    fake.acceptAgentToken("second-token");
    assert.equal(await acquire(job, await agent("second-token")), 422);
    assert.equal(await acquire(job, await agent()), 200);
    assert.deepEqual(await states(job), ["accepted"]);
  });

  it("issues acquisition tokens for this stack's reserved jobs, each good for its one job", async () => {
    await register();
    const [job, second, free] = [1, 2, 3].map(() => fake.schedule({ queue: "linux" }));
    assert.ok(job !== undefined && second !== undefined && free !== undefined);
    await reserve([job, second]);
    const json = { job_uuids: [job.id, free.id], token_lifetime_seconds: 60 };
    const { status, body } = await call("POST", stack("job-acquisition-tokens"), json);
    assert.equal(status, 201);
    assert.deepEqual(body["not_issued"], [free.id]);
    const [issued] = body["job_acquisition_tokens"] as Body[];
    assert.equal(issued?.["job_uuid"], job.id);
    const token = String(issued["job_acquisition_token"]);
    assert.match(token, /^bkjat_/);
    assert.ok(Math.abs(Date.parse(String(issued["expires_at"])) - Date.now() - 60_000) < 2_000);
    assert.equal((await call("GET", stack("scheduled-jobs?queue_key=linux"), undefined, token)).status, 401);
    const access = await agent(token);
    assert.equal(await acquire(second, access), 422);
    assert.equal(await acquire(free, access), 422);
    assert.equal(await acquire(job, access), 200);
    const again = { name: "b", version: "4.0.3", meta_data: ["queue=linux"] };
    assert.equal((await call("POST", "/register", again, token)).status, 422, "its job is not reserved any more");
  });

  it("tells states in batches, and of unknown jobs nothing or 404", async () => {
    await register();
    const [a, b] = [fake.schedule({ queue: "linux" }), fake.schedule({ queue: "linux" })];
    fake.cancel(b.id);
    assert.deepEqual(await states(a, b), ["scheduled", "canceled"]);
    const ask = { job_uuids: [a.id, fake.clusterId] };
    assert.deepEqual((await call("POST", stack("jobs/get-states"), ask)).body, { states: { [a.id]: "scheduled" } });
    await fake.setFaults({ unknownJobs: "not-found" });
    assert.equal((await call("POST", stack("jobs/get-states"), ask)).status, 404);
    for (const wrong of [{}, { job_uuids: "x" }, { job_uuids: ["x"] }, { job_uuids: Array(1_001).fill(a.id) }]) {
      assert.equal((await call("POST", stack("jobs/get-states"), wrong)).status, 400);
    }
  });

  it("finishes a job that nobody has, once, with the cause on record", async () => {
    await register();
    const job = fake.schedule({ queue: "linux" });
    assert.equal((await finish(job, { exit_status: "-1", detail: "x" })).status, 400);
    assert.equal((await finish(job, { exit_status: 1 })).status, 400);
    assert.equal((await finish(job, { detail: "ä".repeat(2_049) })).status, 400);
    assert.equal(fake.violations().length, 3);
    assert.equal((await finish(job, { detail: "no such image" })).status, 200);
    assert.deepEqual(job.result, { exitStatus: "-1", signalReason: "stack_error" });
    assert.equal(job.stackFinish?.detail, "no such image");
    assert.equal((await finish(job)).status, 422);
    assert.equal(fake.violations().length, 3, "a second finish lost a race");
    assert.equal(await acquire(job, await agent()), 422);
    assert.equal(fake.summary().lost, 0);
  });

  it("refuses to finish a job that an agent or another stack has; the former can be otherwise", async () => {
    await register();
    await register({ key: "other" });
    const [running, reserved] = [fake.schedule({ queue: "linux" }), fake.schedule({ queue: "linux" })];
    await reserve([reserved], 60, "other");
    assert.equal((await finish(reserved)).status, 422);
    await acquire(running, await agent());
    assert.equal((await finish(running)).status, 422);
    await fake.setFaults({ finishAfterAcquire: "accept" });
    assert.equal((await finish(running)).status, 200);
    assert.deepEqual(await states(running, reserved), ["finished", "reserved"]);
  });

  it("stores what is right of a batch of notifications, and names the rest by index", async () => {
    await register();
    const job = fake.schedule({ queue: "linux" });
    const one = { job_uuid: job.id, detail: "waiting for a node" };
    const errors = await notify(
      one,
      { ...one, detail: "" },
      { ...one, detail: "x".repeat(257) },
      { ...one, timestamp: new Date(Date.now() + 60_000).toISOString() },
      { ...one, timestamp: "2020-01-01T00:00:00Z" },
      { ...one, job_uuid: fake.clusterId },
      { job_uuid: job.id },
    );
    const indexes = (errors as Body[]).map((error) => error["indexes"]);
    assert.deepEqual(indexes, [[1, 6], [2], [3, 4], [5]]);
    assert.deepEqual(
      job.notifications.map(({ detail }) => detail),
      ["waiting for a node"],
    );
    assert.deepEqual(await notify(...Array<unknown>(99).fill(one)), []);
    assert.equal(((await notify(one)) as unknown[]).length, 1, "at most 100 per job");
    assert.equal((await call("POST", stack("notifications"), { notifications: Array(1_001).fill(one) })).status, 400);
  });

  it("shows a job's environment and command", async () => {
    await register();
    const job = fake.schedule({ queue: "linux", command: "make", env: { A: "b" } });
    const { body } = await call("GET", stack(`jobs/${job.id}`));
    assert.deepEqual(Object.keys(body), ["id", "env", "command"]);
    assert.equal((body["env"] as Body)["A"], "b");
    assert.equal((await call("GET", stack(`jobs/${fake.clusterId}`))).status, 404);
  });

  it("allows so many calls per second and stack, says so on every answer, and remembers who makes more", async () => {
    await register();
    // All at once: on a busy machine one after the other would take more than a second.
    const answers = await Promise.all(Array.from({ length: 11 }, () => list()));
    const sound = answers.filter(({ status }) => status === 200);
    assert.equal(sound.length, 10);
    assert.equal(sound[0]?.headers.get("ratelimit-scope"), "list-scheduled-jobs");
    assert.equal(sound[0].headers.get("ratelimit-limit"), "10");
    const remaining = sound.map(({ headers }) => Number(headers.get("ratelimit-remaining")));
    assert.deepEqual(remaining.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const { message, ...rest } = answers.find(({ status }) => status === 429)?.body ?? {};
    assert.match(String(message), /exceeded your API rate limit/);
    assert.deepEqual(rest, { scope: "list-scheduled-jobs", limit: 10, current: 11, reset: 1 });
    assert.equal(fake.violations().length, 1);
    assert.equal((await call("POST", stack("jobs/get-states"), { job_uuids: [] })).status, 200, "another scope");
    await register({ key: "other" });
    assert.equal((await call("GET", "/stacks/other/scheduled-jobs?queue_key=linux")).status, 200, "another stack");
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    assert.equal((await list()).status, 200);
    assert.equal(fake.stackCalls.byOutcome.get("list-scheduled-jobs 429"), 1);
    assert.equal(fake.stackCalls.total, 16);
  });
});
