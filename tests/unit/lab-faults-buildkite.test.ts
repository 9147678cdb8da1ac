import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FakeBuildkite, NO_FAULTS, signature, type Faults } from "../../lab/buildkite";

interface Received {
  id: string;
  body: Buffer;
  signature: string;
  at: number;
}

const REGISTRATION = { key: "k", type: "custom", queue_key: "linux", metadata: {} };

describe("what can be made to go wrong at the fake Buildkite", () => {
  let fake: FakeBuildkite;
  let receiver: Server;
  const received: Received[] = [];

  beforeEach(async () => {
    fake = new FakeBuildkite({ agentToken: "agent-token", webhookSecret: "secret", seed: 11 });
    await fake.start();
    receiver = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const body = Buffer.concat(parts);
        const id = /"job":\{"id":"([^"]+)"/.exec(body.toString("utf8"))?.[1] ?? "";
        const header = String(request.headers["x-buildkite-signature"]);
        received.push({ id, body, signature: header, at: Date.now() });
        response.end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    fake.setWebhookTargets([`http://127.0.0.1:${(receiver.address() as AddressInfo).port}`]);
  });

  afterEach(async () => {
    await fake.stop();
    received.length = 0;
    receiver.closeAllConnections();
    await new Promise((resolve) => receiver.close(resolve));
  });

  const call = (method: string, path: string, json?: unknown): Promise<Response> =>
    fetch(`${fake.url}/v3${path}`, {
      method,
      body: json === undefined ? undefined : JSON.stringify(json),
      headers: { Authorization: "Token agent-token" },
    });
  const register = (): Promise<Response> => call("POST", "/stacks/register", REGISTRATION);
  const list = (): Promise<Response> => call("GET", "/stacks/k/scheduled-jobs?queue_key=linux");
  const listed = async (): Promise<unknown[]> =>
    ((await (await list()).json()) as { jobs: { id: string }[] }).jobs.map(({ id }) => id);
  const agentRegisters = async (): Promise<number> =>
    (await call("POST", "/register", { name: "a", version: "3", meta_data: [] })).status;
  const schedule = (count: number): string[] =>
    Array.from({ length: count }, () => fake.schedule({ queue: "linux" }).id);
  const refusal = async (): Promise<string> => {
    try {
      await list();
      return "answered";
    } catch (error) {
      return String((error as { cause?: { code?: string } }).cause?.code);
    }
  };

  it("closes the port for everybody, and opens the same one again", async () => {
    await register();
    const { url } = fake;
    await fake.setFaults({ outage: "refused" });
    assert.equal(await refusal(), "ECONNREFUSED");
    await assert.rejects(agentRegisters());
    assert.deepEqual(fake.describeFaults(), ['outage: "refused"']);
    await fake.setFaults({ outage: "none" });
    assert.equal(fake.url, url);
    assert.equal((await list()).status, 200);
    assert.deepEqual(fake.describeFaults(), []);
  });

  it("breaks connections off, or answers 503, for stacks only or for agents as well", async () => {
    await register();
    await fake.setFaults({ outage: "reset" });
    assert.match(await refusal(), /ECONNRESET|UND_ERR_SOCKET/);
    assert.equal(await agentRegisters(), 200);
    await fake.setFaults({ outage: "unavailable" });
    assert.equal((await list()).status, 503);
    assert.equal(await agentRegisters(), 200);
    await fake.setFaults({ reach: "all" });
    assert.equal(await agentRegisters(), 503);
    assert.equal((await fetch(`${fake.url}/builds`)).status, 200, "a person may still look");
  });

  it("answers late, and stops at once all the same", async () => {
    await register();
    await fake.setFaults({ slowMs: 300 });
    const began = Date.now();
    assert.equal((await list()).status, 200);
    assert.ok(Date.now() - began >= 295);
    const timersBefore = process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    await fake.setFaults({ slowMs: 60_000 });
    const waiting = refusal();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await fake.stop();
    assert.notEqual(await waiting, "answered");
    const timers = process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    assert.ok(timers < timersBefore, "the wait itself is over, and the check for lost agents");
  });

  it("answers 429 with its hints, which is not the client's fault", async () => {
    await register();
    await fake.setFaults({ tooManyRequests: true });
    const plain = await list();
    assert.equal(plain.status, 429);
    assert.equal(plain.headers.get("ratelimit-reset"), "1");
    assert.equal(plain.headers.get("retry-after"), null);
    assert.deepEqual(Object.keys((await plain.json()) as object), ["message", "scope", "limit", "current", "reset"]);
    await fake.setFaults({ retryAfterSeconds: 7 });
    const hinting = await list();
    assert.equal(hinting.headers.get("retry-after"), "7");
    assert.equal(hinting.headers.get("ratelimit-reset"), "7");
    assert.deepEqual(fake.violations(), []);
  });

  it("answers a share of calls 5xx", async () => {
    await register();
    await fake.setFaults({ serverErrorShare: 0.5 });
    const statuses: number[] = [];
    for (let count = 0; count < 40; count += 1) {
      statuses.push((await call("GET", "/stacks/k/jobs/none")).status);
    }
    const failed = statuses.filter((status) => status >= 500).length;
    assert.ok(failed > 8 && failed < 32, `${failed} of 40`);
    assert.equal(statuses.filter((status) => status === 404).length, 40 - failed);
  });

  it("lists what was some time ago, and tells states as they are", async () => {
    await register();
    const [early = ""] = schedule(1);
    await new Promise((resolve) => setTimeout(resolve, 600));
    const [late = ""] = schedule(1);
    fake.cancel(early);
    await fake.setFaults({ listLagSeconds: 0.4 });
    assert.deepEqual(await listed(), [early]);
    const states = await call("POST", "/stacks/k/jobs/get-states", { job_uuids: [early, late] });
    assert.deepEqual(await states.json(), { states: { [early]: "canceled", [late]: "scheduled" } });
    await new Promise((resolve) => setTimeout(resolve, 450));
    assert.deepEqual(await listed(), [late]);
  });

  it("speaks of states and fields that nobody knows", async () => {
    await register();
    const ids = schedule(20);
    const states = async (): Promise<string[]> => {
      const answer = await call("POST", "/stacks/k/jobs/get-states", { job_uuids: ids });
      const { states: byId } = (await answer.json()) as { states: Record<string, string> };
      return ids.map((id) => byId[id] ?? "");
    };
    await fake.setFaults({ unknownStateShare: 0.5, unknownFields: true });
    const first = await states();
    assert.ok(first.includes("hibernating") && first.includes("scheduled"));
    assert.deepEqual(await states(), first, "the same jobs each time");
    const body = (await (await list()).json()) as { jobs: object[]; from_the_future?: unknown };
    assert.ok(body.from_the_future !== undefined);
    assert.ok(body.jobs.every((job) => "from_the_future" in job && "id" in job));
  });

  it("says that a queue is paused, under either name", async () => {
    await register();
    const queue = async (): Promise<Record<string, unknown>> =>
      ((await (await list()).json()) as { cluster_queue: Record<string, unknown> }).cluster_queue;
    await fake.setFaults({ pausedQueues: ["macos"] });
    assert.equal((await queue())["dispatch_paused"], false);
    await fake.setFaults({ pausedQueues: ["linux"] });
    assert.equal((await queue())["dispatch_paused"], true);
    await fake.setFaults({ pauseField: "paused" });
    const { id, ...flags } = await queue();
    assert.deepEqual(flags, { paused: true });
    assert.equal(typeof id, "string");
  });

  it("loses a share of the webhooks, the same ones for the same seed, and says so in the job's record", async () => {
    await fake.setFaults({ webhookDropShare: 0.5 });
    const ids = schedule(40);
    await fake.settled();
    const arrived = new Set(received.map(({ id }) => id));
    assert.ok(arrived.size > 8 && arrived.size < 32, `${arrived.size} of 40`);
    assert.equal(fake.summary().failedWebhooks, 40 - arrived.size);
    const again = new FakeBuildkite({ agentToken: "a", webhookSecret: "secret", seed: 11 });
    await again.setFaults({ webhookDropShare: 0.5 });
    const jobs = ids.map(() => again.schedule({ queue: "linux" }));
    await again.settled();
    assert.deepEqual(
      jobs.filter(({ webhooks }) => webhooks[0]?.error !== "lost on purpose").map(({ id }) => id),
      ids.filter((id) => arrived.has(id)),
    );
    await again.stop();
  });

  it("repeats, delays and reorders webhooks", async () => {
    await fake.setFaults({ webhookCopies: 3 });
    const [thrice] = schedule(1);
    await fake.settled();
    assert.deepEqual(
      received.map(({ id }) => id),
      [thrice, thrice, thrice],
    );
    received.length = 0;
    await fake.setFaults({ webhookCopies: 1, webhookDelayMs: 200 });
    const began = Date.now();
    schedule(1);
    await fake.settled();
    assert.ok((received[0]?.at ?? 0) - began >= 195);
    received.length = 0;
    await fake.setFaults({ webhookDelayMs: 0, webhookShuffle: 20 });
    const ids = schedule(25);
    await fake.settled();
    const order = received.map(({ id }) => id);
    assert.deepEqual([...order].sort(), [...ids].sort());
    assert.notDeepEqual(order, ids);
    assert.ok(
      order.slice(20).every((id) => ids.indexOf(id) >= 20),
      "those that fill no group come last",
    );
  });

  it("damages bodies that were signed whole", async () => {
    await fake.setFaults({ webhookCorruptShare: 1 });
    schedule(10);
    await fake.settled();
    assert.equal(received.length, 10);
    for (const { body, signature: header } of received) {
      const [, timestamp] = /timestamp=(\d+)/.exec(header) ?? [];
      assert.notEqual(signature("secret", Number(timestamp), body), header);
    }
  });

  it("signs by a clock that is off, and sends a recorded webhook again", async () => {
    const age = (one: Received | undefined): number => {
      const timestamp = Number(/timestamp=(-?\d+)/.exec(one?.signature ?? "")?.[1]);
      assert.equal(one?.signature, signature("secret", timestamp, one?.body ?? Buffer.alloc(0)));
      return Math.round(Date.now() / 1000) - timestamp;
    };
    await fake.setFaults({ webhookClockSkewSeconds: -600 });
    const [id = ""] = schedule(1);
    await fake.settled();
    assert.ok(Math.abs(age(received[0]) - 600) <= 3);
    await fake.setFaults({ webhookClockSkewSeconds: 0 });
    fake.replayWebhook(id, 3_600);
    await fake.settled();
    assert.ok(Math.abs(age(received[1]) - 3_600) <= 3);
  });

  it("lets a person set faults with curl, and says what is wrong with a request", async () => {
    const patch = (change: unknown): Promise<Response> =>
      fetch(`${fake.url}/faults`, { method: "PATCH", body: JSON.stringify(change) });
    assert.deepEqual(await (await patch({ slowMs: 5, pausedQueues: ["linux"] })).json(), [
      "slowMs: 5",
      'pausedQueues: ["linux"]',
    ]);
    for (const wrong of [{ slow: 1 }, { slowMs: "5" }, { pausedQueues: {} }, { slowMs: -1 }, { outage: "refused" }]) {
      assert.equal((await patch(wrong)).status, 422, JSON.stringify(wrong));
    }
    assert.equal(((await (await fetch(`${fake.url}/faults`)).json()) as unknown[]).length, 2);
  });

  it("refuses values that make no sense, and changes nothing then", async () => {
    const wrong: Partial<Faults>[] = [
      { webhookDropShare: 1.1 },
      { serverErrorShare: Number.NaN },
      { slowMs: -1 },
      { webhookCopies: 0 },
      { outage: "gone" as "reset" },
    ];
    for (const change of wrong) {
      await assert.rejects(fake.setFaults({ tokenRevoked: true, ...change }), RangeError);
    }
    assert.deepEqual(fake.describeFaults(), []);
    await fake.setFaults({ slowMs: 5, pausedQueues: ["a"] });
    assert.deepEqual(fake.describeFaults(), ["slowMs: 5", 'pausedQueues: ["a"]']);
    await fake.setFaults(NO_FAULTS);
    assert.deepEqual(fake.describeFaults(), []);
  });
});
