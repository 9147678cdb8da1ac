import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { BuildkiteHealth } from "../../dispatcher/buildkite/health";
import { StacksClient } from "../../dispatcher/buildkite/stacks-client";
import { StacksConnection } from "../../dispatcher/buildkite/stacks-connection";
import { hintOf, StacksError } from "../../dispatcher/buildkite/stacks-error";
import { createLog } from "../../dispatcher/log";
import { ScriptedServer, type ScriptedAnswer, type ScriptedRequest } from "../support/scripted-server";

const UNTIL_STOP = new AbortController().signal;
const [ONE, TWO, THREE] = [randomUUID(), randomUUID(), randomUUID()];

function listed(uuid: string, more: object = {}) {
  return {
    ...{ id: uuid, priority: 0, agent_query_rules: ["queue=k8s"], scheduled_at: "2026-11-20T03:30:00.500Z" },
    ...{ pipeline: { slug: "web", uuid: ONE }, build: { number: 1, branch: "main", uuid: ONE }, step: { key: null } },
    ...more,
  };
}

describe("the client of the Stacks API", () => {
  let server: ScriptedServer;
  let connection: StacksConnection;
  let client: StacksClient;
  let tokens: string[];
  let lines: Record<string, unknown>[];
  let exchanges: string[];
  let health: BuildkiteHealth;

  beforeEach(async () => {
    server = await ScriptedServer.start();
    tokens = ["bkct_current"];
    lines = [];
    exchanges = [];
    health = new BuildkiteHealth(createLog((line) => lines.push(JSON.parse(line) as Record<string, unknown>)));
    connect(50);
  });

  afterEach(async () => {
    connection.close();
    await server.stop();
  });

  function connect(share?: number): void {
    connection = new StacksConnection({
      ...{ endpoint: `${server.url}/v3/`, tokens: () => tokens, userAgent: "test/1", health, share },
      ...{ timeoutMs: 200, firstRetryMs: 5 },
      onExchange: (kind, code) => exchanges.push(`${kind} ${code}`),
    });
    client = new StacksClient({ connection, stackKey: "ci-1", queues: ["k8s", "gpu"], version: "1.2.3", pageSize: 2 });
  }

  const script = (...answers: ScriptedAnswer[]) => {
    server.answer = () => answers.shift() ?? { status: 418 };
  };
  const pages = async (queue = "k8s") => {
    const found = [];
    for await (const page of client.listScheduledJobs(queue, UNTIL_STOP)) {
      found.push(page);
    }
    return found;
  };

  it("registers as documented, with a queue that there is", async () => {
    script({ status: 404, body: { message: "No queue k8s" } }, { status: 201, body: { key: "ci-1" } });
    await client.register(UNTIL_STOP);
    assert.deepEqual(
      server.seen.map(({ method, path, body }) => ({ method, path, body })),
      ["k8s", "gpu"].map((queue) => ({
        ...{ method: "POST", path: "/v3/stacks/register" },
        body: { key: "ci-1", type: "custom", queue_key: queue, metadata: { version: "1.2.3" } },
      })),
    );
    assert.equal(server.seen[0]?.headers.authorization, "Token bkct_current");
    assert.equal(server.seen[0].headers["user-agent"], "test/1");
  });

  it("lists every page, after the cursor of the one before", async () => {
    const more = { has_next_page: true, end_cursor: "c=1&x" };
    script(
      { body: { jobs: [listed(ONE, { priority: 5 }), listed(TWO)], page_info: more, cluster_queue: { id: "q" } } },
      { body: { jobs: [listed(THREE)], page_info: { has_next_page: false, end_cursor: null } } },
    );
    const found = await pages();
    assert.deepEqual(
      server.seen.map(({ path, query }) => [path, query]),
      [
        ["/v3/stacks/ci-1/scheduled-jobs", { queue_key: "k8s", limit: "2" }],
        ["/v3/stacks/ci-1/scheduled-jobs", { queue_key: "k8s", limit: "2", after: "c=1&x" }],
      ],
    );
    assert.deepEqual(found[0]?.jobs[0], {
      ...{ uuid: ONE, priority: 5, agentQueryRules: ["queue=k8s"], pipeline: "web" },
      scheduledAt: Date.parse("2026-11-20T03:30:00.500Z"),
    });
    assert.deepEqual(
      found[1]?.jobs.map(({ uuid }) => uuid),
      [THREE],
    );
  });

  it("ends a list whose cursor does not move", async () => {
    server.answer = () => ({ body: { jobs: [], page_info: { has_next_page: true, end_cursor: "same" } } });
    assert.equal((await pages()).length, 2);
  });

  it("knows a paused queue by either name, and takes what it does not know for nothing", async () => {
    const nothing = { page_info: {}, future: [1], jobs: [] };
    for (const [queue, paused] of [
      [{ dispatch_paused: true }, true],
      [{ paused: true }, true],
      [{ dispatch_paused: false, mood: "calm" }, false],
      [null, false],
    ] as const) {
      script({ body: { ...nothing, cluster_queue: queue } });
      assert.equal((await pages())[0]?.paused, paused);
    }
  });

  it("leaves out an entry that could be routed wrongly, and keeps one with fields empty", async () => {
    const sparse = { id: TWO, priority: null, scheduled_at: null, pipeline: null };
    const bad = [
      { id: "../x" },
      null,
      listed(ONE, { agent_query_rules: [1] }),
      listed(ONE, { agent_query_rules: "a" }),
    ];
    script({ body: { jobs: [...bad, sparse], page_info: { has_next_page: false } } });
    const [page] = await pages();
    assert.equal(page?.malformed, 4);
    assert.deepEqual(page.jobs, [
      { uuid: TWO, priority: 0, agentQueryRules: [], scheduledAt: undefined, pipeline: "unknown" },
    ]);
  });

  it("asks for states in batches of 1000", async () => {
    const uuids = Array.from({ length: 1001 }, () => randomUUID());
    server.answer = ({ body }) => {
      const asked = (body as { job_uuids: string[] }).job_uuids;
      return { body: { states: Object.fromEntries(asked.map((uuid) => [uuid, "weird_new_state"])) } };
    };
    const states = await client.getStates(uuids, UNTIL_STOP);
    assert.deepEqual([states.size, states.get(uuids[0] ?? "")], [1001, "weird_new_state"]);
    assert.deepEqual(
      server.seen.map(({ method, path, body }) => [`${method} ${path}`, (body as { job_uuids: [] }).job_uuids.length]),
      [
        ["POST /v3/stacks/ci-1/jobs/get-states", 1],
        ["POST /v3/stacks/ci-1/jobs/get-states", 1000],
      ],
    );
  });

  it("finds the states of the others when one job makes Buildkite refuse the batch", async () => {
    server.answer = ({ path, body }) => {
      if (path.endsWith("/register")) {
        return { body: {} };
      }
      const asked = (body as { job_uuids: string[] }).job_uuids;
      return asked.includes(TWO)
        ? { status: 404, body: { message: "No job found" } }
        : { body: { states: Object.fromEntries(asked.map((uuid) => [uuid, "running"])) } };
    };
    const states = await client.getStates([ONE, TWO, THREE], UNTIL_STOP);
    assert.deepEqual([...states.keys()].sort(), [ONE, THREE].sort());
  });

  it("finishes with the status written out, and cuts the text where the API does", async () => {
    script({ status: 200 }, { status: 422, body: { message: "already finished" } });
    assert.equal(await client.finish(ONE, "é".repeat(3000), UNTIL_STOP), true);
    const body = server.seen[0]?.body as { exit_status: number; detail: string };
    assert.deepEqual([body.exit_status, body.detail.length, body.detail.includes("\ufffd")], [-1, 2048, false]);
    assert.equal(await client.finish(ONE, "again", UNTIL_STOP), false);
  });

  it("tells by a note, and whether it was taken", async () => {
    script({ body: { errors: [] } }, { body: { errors: [{ error: "too late", indexes: [0] }] } }, { status: 404 });
    assert.equal(await client.notify(ONE, "x".repeat(300), UNTIL_STOP), true);
    const body = server.seen[0]?.body as { notifications: { job_uuid: string; detail: string }[] };
    assert.deepEqual([body.notifications[0]?.job_uuid, body.notifications[0]?.detail.length], [ONE, 255]);
    assert.equal(await client.notify(ONE, "x", UNTIL_STOP), false);
  });

  it("registers again where its stack is forgotten, once for a call", async () => {
    let known = false;
    server.answer = ({ path }): ScriptedAnswer => {
      known ||= path.endsWith("/register");
      return known ? { status: 200, body: { jobs: [] } } : { status: 404, body: { message: "No stack found" } };
    };
    assert.equal((await pages()).length, 1);
    assert.equal(server.calls(/register/).length, 1);
    server.answer = ({ path }) => ({ status: path.endsWith("/register") ? 200 : 404 });
    await assert.rejects(pages(), (error) => error instanceof StacksError && error.status === 404);
    assert.equal(server.calls(/register/).length, 2);
  });

  it("waits as long as a 429 asks, and lets nobody else of that kind in meanwhile", async () => {
    connection.close();
    connect();
    script({ status: 429, headers: { "retry-after": "0.6" } }, { body: { jobs: [] } }, { body: { jobs: [] } });
    await Promise.all([pages(), pages()]);
    const [first, second, third] = server.seen.map(({ at }) => at);
    assert.equal(server.seen.length, 3);
    assert.ok((second ?? 0) - (first ?? 0) >= 590, "the hint was not followed");
    assert.ok((third ?? 0) > (second ?? 0));
    assert.deepEqual(exchanges, ["list 429", "list 200", "list 200"]);
  });

  it("stays below a quarter of the documented limit", async () => {
    connection.close();
    connect();
    server.answer = () => ({ body: { jobs: [] } });
    await Promise.all([pages(), pages(), pages()]);
    const [first, , third] = server.seen.map(({ at }) => at);
    assert.ok((third ?? 0) - (first ?? 0) >= 790, "three lists in less than 0.8 s: more than 2.5 a second");
  });

  for (const [what, fault] of [
    ["5xx", { status: 503 }],
    ["a cut connection", "cut"],
    ["silence", "silent"],
    ["a page that is not JSON", { text: "<html>" }],
  ] as const) {
    it(`tries again after ${what}, and gives up in the end`, async () => {
      script(fault, { body: { states: { [ONE]: "scheduled" } } });
      assert.equal((await client.getStates([ONE], UNTIL_STOP)).get(ONE), "scheduled");
      assert.equal(health.available, true);
      server.answer = () => fault;
      server.seen.length = 0;
      await assert.rejects(client.getStates([ONE], UNTIL_STOP));
      assert.deepEqual([server.seen.length, health.available, health.tokenRefused], [3, false, false]);
      assert.equal(lines.filter(({ level }) => level === "warn").length, 2, "once for each outage");
    });
  }

  it("uses the other token during a rotation, and keeps to the one that was accepted", async () => {
    tokens = ["bkct_new", "bkct_old"];
    const accepts =
      (token: string) =>
      (request: ScriptedRequest): ScriptedAnswer =>
        request.headers.authorization === `Token ${token}` ? { body: { states: {} } } : { status: 401 };
    server.answer = accepts("bkct_old");
    await client.getStates([ONE], UNTIL_STOP);
    await client.getStates([ONE], UNTIL_STOP);
    assert.equal(server.seen.length, 3);
    server.answer = accepts("bkct_new");
    await client.getStates([ONE], UNTIL_STOP);
    assert.equal(health.available, true);
  });

  it("shows no part of a token where what Buildkite says is cut short within it", async () => {
    server.answer = () => ({ status: 403, body: { message: `${"x".repeat(292)} bkct_current` } });
    await assert.rejects(client.getStates([ONE], UNTIL_STOP), (error) => {
      assert.ok(error instanceof StacksError && error.status === 403);
      assert.ok(!error.message.includes("bkct"), error.message);
      return true;
    });
  });

  it("says once, clearly, that every token is refused, and again when one is accepted", async () => {
    tokens = ["bkct_new", "bkct_old"];
    const message = "bkct_new is not a token";
    server.answer = () => ({ status: 401, body: { message } });
    for (let round = 0; round < 2; round++) {
      await assert.rejects(client.getStates([ONE], UNTIL_STOP), (error) => {
        assert.ok(error instanceof StacksError && error.status === 401);
        assert.ok(!error.message.includes("bkct_"), "a token is in the error");
        return true;
      });
    }
    assert.equal(health.tokenRefused, true);
    assert.deepEqual(
      lines.map(({ level, event }) => [level, event]),
      [["error", "Buildkite refuses the agent token"]],
    );
    server.answer = () => ({ body: { states: {} } });
    await client.getStates([ONE], UNTIL_STOP);
    assert.deepEqual([health.tokenRefused, lines.at(-1)?.["event"]], [false, "Buildkite's API is back"]);
    assert.ok(!JSON.stringify(lines).includes("bkct_"));
  });

  it("can be called off while it waits", async () => {
    const abort = new AbortController();
    server.answer = () => ({ status: 429, headers: { "retry-after": "50" } });
    const call = client.getStates([ONE], abort.signal);
    setTimeout(() => {
      abort.abort();
    }, 100);
    await assert.rejects(call, { name: "AbortError" });
  });
});

describe("the hint of an answer", () => {
  const NOW = 1_800_000_000_000;
  for (const [retryAfter, reset, expected] of [
    ["2", undefined, 2000],
    ["0.5", "9", 500],
    [undefined, "3", 3000],
    [undefined, "1800000004", 4000],
    ["Wed, 21 Oct 2026 07:28:00 GMT", undefined, undefined],
    ["86400", undefined, 60_000],
    [undefined, undefined, undefined],
  ] as const) {
    it(`${retryAfter ?? "none"} and ${reset ?? "none"} is ${expected ?? "none"}`, () => {
      assert.equal(hintOf(retryAfter, reset, NOW), expected);
    });
  }
});
