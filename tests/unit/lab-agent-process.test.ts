import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { AgentConnection } from "../../lab/agents/agent-connection";
import { runAgent, type AgentExit } from "../../lab/agents/agent-process";
import { AgentSignals } from "../../lab/agents/agent-signals";
import { FakeBuildkite } from "../../lab/buildkite";
import { unhandledRejections } from "../support/unhandled-rejections";
import { until } from "../support/until";

const JOB = "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";

/** What a scripted server answers to `METHOD /path`, the nth call of it. */
type Script = Record<string, (call: number) => ScriptedAnswer | "silent">;

interface ScriptedAnswer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

const REGISTERED = { access_token: "a", ping_interval: 1, job_status_interval: 1, heartbeat_interval: 60 };
const JOB_BODY = { id: JOB, token: "j", env: { BUILDKITE_COMMAND: "sleep 0.05; exit 0" } };

describe("a simulated agent's process", () => {
  const connection = new AgentConnection();
  let server: Server | undefined;
  let calls: string[] = [];

  after(() => {
    connection.close();
  });

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  async function scripted(script: Script): Promise<string> {
    calls = [];
    server = createServer((request, response) => {
      request.resume();
      const name = `${request.method ?? ""} ${(request.url ?? "").replace(/^\/v3/, "").replace(/\?.*/, "").replace(JOB, "id")}`;
      calls.push(name);
      const standard: ScriptedAnswer = { status: 200, body: name === "POST /register" ? REGISTERED : JOB_BODY };
      const answer = script[name]?.(calls.filter((one) => one === name).length) ?? standard;
      if (answer === "silent") {
        return;
      }
      const { status, body, headers } = answer;
      response.writeHead(status, headers);
      response.end(body === undefined ? "" : JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v3/`;
  }

  function run(endpoint: string, signals = new AgentSignals(), more: Record<string, string> = {}): Promise<AgentExit> {
    const environment = {
      BUILDKITE_AGENT_TOKEN: "t",
      BUILDKITE_AGENT_ACQUIRE_JOB: JOB,
      BUILDKITE_AGENT_TAGS: "queue=linux",
      ...more,
    };
    return runAgent({ environment, endpoint, hostname: "pod", connection, signals, timeScale: 1000 });
  }

  it("makes the real agent's calls in the real agent's order", async () => {
    const { code, ran } = await run(await scripted({}));
    assert.deepEqual([code, ran], [0, JOB]);
    assert.deepEqual(calls, [
      "POST /register",
      "POST /connect",
      "PUT /jobs/id/acquire",
      "PUT /jobs/id/start",
      "POST /jobs/id/chunks",
      "PUT /jobs/id/finish",
      "GET /ping",
      "POST /disconnect",
    ]);
  });

  it("exits 27 after a 422 on acquire, with no ping", async () => {
    const exit = await run(await scripted({ "PUT /jobs/id/acquire": () => ({ status: 422 }) }));
    assert.deepEqual(exit, { code: 27, refused: true });
    assert.deepEqual(calls.slice(-2), ["PUT /jobs/id/acquire", "POST /disconnect"]);
  });

  it("exits 0 without having run the job after 404, or when retries end", async () => {
    const gone = await run(await scripted({ "PUT /jobs/id/acquire": () => ({ status: 404 }) }));
    assert.deepEqual(gone, { code: 0, refused: false });
    server?.close();
    const busy = await run(await scripted({ "PUT /jobs/id/acquire": () => ({ status: 503 }) }));
    assert.deepEqual(busy, { code: 0, refused: false });
    assert.equal(calls.filter((one) => one === "PUT /jobs/id/acquire").length, 7);
  });

  it("waits through a lock as long as the server says", async () => {
    const locked = { status: 423, headers: { "Retry-After": "50" } };
    const began = Date.now();
    const { ran } = await run(
      await scripted({ "PUT /jobs/id/acquire": (call) => (call < 3 ? locked : { status: 200, body: JOB_BODY }) }),
    );
    assert.equal(ran, JOB);
    assert.ok(Date.now() - began >= 95, "two waits of 50 s at a time scale of 1000");
  });

  it("exits 1 when registering is refused, and tries again when the server is only busy", async () => {
    assert.equal((await run(await scripted({ "POST /register": () => ({ status: 401 }) }))).code, 1);
    assert.deepEqual(calls, ["POST /register"]);
    server?.close();
    const busy = (call: number) => (call < 4 ? { status: 503 } : { status: 200, body: REGISTERED });
    assert.equal((await run(await scripted({ "POST /register": busy }))).code, 0);
    assert.equal((await run("http://127.0.0.1:1/v3")).code, 1, "nobody there, until the attempts end");
  });

  it("exits 0 without a finish when start is refused", async () => {
    const exit = await run(await scripted({ "PUT /jobs/id/start": () => ({ status: 422 }) }));
    assert.deepEqual(exit, { code: 0, refused: false });
    assert.ok(!calls.includes("PUT /jobs/id/finish"));
  });

  it("exits 1 when its last ping is refused", async () => {
    const { code, ran } = await run(await scripted({ "GET /ping": () => ({ status: 401 }) }));
    assert.deepEqual([code, ran], [1, JOB]);
  });

  it("repeats a finish that the server could not take", async () => {
    const busy = (call: number) => ({ status: call < 3 ? 503 : 200 });
    await run(await scripted({ "PUT /jobs/id/finish": busy }));
    assert.equal(calls.filter((one) => one === "PUT /jobs/id/finish").length, 3);
  });

  it("dies of SIGKILL without another call", async () => {
    const signals = new AgentSignals();
    const long = { status: 200, body: { ...JOB_BODY, env: { BUILDKITE_COMMAND: "sleep 60" } } };
    const running = run(await scripted({ "PUT /jobs/id/acquire": () => long }), signals);
    setTimeout(() => {
      signals.kill();
    }, 100);
    assert.equal((await running).code, 137);
    assert.equal(calls.at(-1), "PUT /jobs/id/start");
  });

  it("dies of SIGKILL with a heartbeat under way, whose failure is nobody's", async () => {
    const signals = new AgentSignals();
    const endpoint = await scripted({
      "POST /register": () => ({ status: 200, body: { ...REGISTERED, heartbeat_interval: 0.01 } }),
      "PUT /jobs/id/acquire": () => ({
        status: 200,
        body: { ...JOB_BODY, env: { BUILDKITE_COMMAND: "sleep 60" } },
      }),
      "POST /heartbeat": () => "silent",
    });
    const found = await unhandledRejections(async () => {
      const running = run(endpoint, signals);
      await until("a heartbeat", () => calls.includes("POST /heartbeat") && calls.includes("PUT /jobs/id/start"));
      signals.kill();
      assert.equal((await running).code, 137);
    });
    assert.deepEqual(found, []);
  });

  it("leaves out the ping after SIGQUIT", async () => {
    const signals = new AgentSignals();
    const long = { status: 200, body: { ...JOB_BODY, env: { BUILDKITE_COMMAND: "sleep 60" } } };
    const running = run(await scripted({ "PUT /jobs/id/acquire": () => long }), signals);
    setTimeout(() => {
      signals.quit();
    }, 100);
    assert.equal((await running).code, 0);
    assert.deepEqual(calls.slice(-2), ["PUT /jobs/id/finish", "POST /disconnect"]);
  });

  it("in queue mode takes one job and leaves, or idles out", async () => {
    const fake = new FakeBuildkite({ agentToken: "t", webhookSecret: "s", seed: 1 });
    await fake.start();
    const queue = {
      BUILDKITE_AGENT_ACQUIRE_JOB: "",
      BUILDKITE_AGENT_DISCONNECT_AFTER_JOB: "true",
      BUILDKITE_AGENT_DISCONNECT_AFTER_IDLE_TIMEOUT: "50",
    };
    const [first, second] = [1, 2].map(() => fake.schedule({ queue: "linux", seconds: 0.05, exitStatus: 4 }));
    const one = await run(`${fake.url}/v3`, new AgentSignals(), queue);
    assert.deepEqual([one.code, one.ran], [0, first?.id]);
    assert.equal(first?.result?.exitStatus, "4");
    assert.equal(second?.state, "scheduled");
    fake.cancel(second.id);
    assert.deepEqual(await run(`${fake.url}/v3`, new AgentSignals(), queue), { code: 0, refused: false });
    assert.deepEqual(fake.violations(), []);
    await fake.stop();
  });
});
