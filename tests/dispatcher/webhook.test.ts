import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { DispatcherBench, type LocalDispatcher } from "../support/dispatchers";
import { until } from "../support/until";
import { deliver, scheduledBody, send, signed, vector } from "../support/webhooks";

describe("POST /webhook", () => {
  let bench: DispatcherBench;
  let dispatcher: LocalDispatcher;

  before(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("webhook");
    dispatcher = await bench.start();
  });

  after(() => bench.remove());

  const post = (body: Buffer, headers: http.OutgoingHttpHeaders = {}) =>
    send(`${dispatcher.url}/webhook`, { method: "POST", body, headers });
  const metrics = async () => (await send(`${dispatcher.operationsUrl}/metrics`)).text;
  const value = async (metric: string): Promise<number> => {
    const line = (await metrics()).split("\n").find((one) => one.startsWith(`buildkite_dispatcher_${metric} `));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(" ") + 1));
  };

  it("answers 401 to a wrong, missing, malformed or too old signature, and makes no Job", async () => {
    const uuid = randomUUID();
    const body = scheduledBody({ uuid });
    const refused = [
      {},
      { "x-buildkite-signature": signed(body, "another secret") },
      { "x-buildkite-signature": signed(Buffer.from(`${body.toString()} `)) },
      { "x-buildkite-signature": signed(body, undefined, 301) },
      { "x-buildkite-signature": signed(body, undefined, -302) },
      { "x-buildkite-signature": `${signed(body)},signature=00` },
      { "x-buildkite-token": "29b1ff5779c76bd48ba6705eb99ff970" },
      { "x-buildkite-token": "29b1ff5779c76bd48ba6705eb99ff970", "x-buildkite-signature": "timestamp=1,signature=0" },
    ];
    for (const headers of refused) {
      const reply = await post(body, headers);
      assert.equal(reply.status, 401, JSON.stringify(headers));
    }
    assert.equal(await bench.job(uuid), undefined);
  });

  it("looks at nothing of a body before its signature is found right", async () => {
    const reply = await post(Buffer.from("{"), { "x-buildkite-signature": signed(Buffer.from("[")) });
    assert.equal(reply.status, 401);
  });

  it("verifies the bytes as they came: an indented body passes", async () => {
    const uuid = randomUUID();
    const indented = Buffer.from(JSON.stringify(JSON.parse(scheduledBody({ uuid }).toString()), undefined, 4));
    assert.equal((await deliver(dispatcher.url, indented)).outcome, "created");
  });

  it("answers 405 to another method, and says which is allowed", async () => {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const reply = await send(`${dispatcher.url}/webhook`, { method });
      assert.deepEqual([reply.status, reply.headers.allow], [405, "POST"]);
    }
  });

  it("answers 404 elsewhere, and keeps metrics and status off the webhook port", async () => {
    for (const path of ["/", "/webhook/", "/metrics", "/status", "//webhook"]) {
      assert.equal((await send(`${dispatcher.url}${path}`)).status, 404, path);
    }
  });

  it("answers 400 to a signed body that is not a JSON object", async () => {
    for (const text of ["", "{", "null", "[]", '"text"', "\xff"]) {
      const reply = await deliver(dispatcher.url, Buffer.from(text, "latin1"));
      assert.equal(reply.status, 400, text);
    }
  });

  it("answers 413 to a body over 1 MiB by its announced length, before reading it", async () => {
    const socket = net.connect(dispatcher.port, "127.0.0.1");
    socket.write("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    const [answer] = (await new Promise<Buffer[]>((resolve) => {
      socket.once("data", (data) => {
        resolve([data]);
      });
    })) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  it("answers 413 to a body over 1 MiB that does not announce its length, and reads no further", async () => {
    const body = Buffer.alloc(1024 * 1024 + 1, 0x20);
    const request = http.request(`${dispatcher.url}/webhook`, {
      method: "POST",
      headers: { "x-buildkite-signature": signed(body), "transfer-encoding": "chunked" },
    });
    request.on("error", () => undefined);
    const status = new Promise<number | undefined>((resolve) => {
      request.once("response", (response) => {
        resolve(response.statusCode);
      });
    });
    request.write(body);
    assert.equal(await status, 413);
    await until("the connection is closed", () => request.socket?.destroyed === true);
  });

  it("takes a body of exactly 1 MiB", async () => {
    const body = Buffer.concat([scheduledBody(), Buffer.alloc(1024 * 1024, 0x20)]).subarray(0, 1024 * 1024);
    assert.equal((await deliver(dispatcher.url, body)).outcome, "created");
  });

  it("acknowledges what it has no use for with 204, and counts it by cause", async () => {
    const cases: [string, Buffer][] = [
      ["other_event", vector("webhook-hmac-vector.body.json")],
      ["unknown_event", scheduledBody({ event: "job.reticulated" })],
      ["unknown_event", scheduledBody({ event: 7 })],
      ["job_type", scheduledBody({ type: "waiter" })],
      ["malformed", scheduledBody({ rules: "queue=k8s" })],
      ["malformed", scheduledBody({ uuid: "../../secrets/x" })],
      ["not_served_queue", scheduledBody({ queue: "hosted" })],
      ["not_served_tags", scheduledBody({ rules: ["queue=k8s", "gpu=true"] })],
    ];
    for (const [cause, body] of cases) {
      const before = await value(`webhooks_ignored_total{cause="${cause}"}`);
      const jobs = (await bench.jobs()).length;
      const reply = await deliver(dispatcher.url, body);
      assert.deepEqual([reply.status, reply.text], [204, ""], cause);
      assert.equal(await value(`webhooks_ignored_total{cause="${cause}"}`), before + 1, cause);
      assert.equal((await bench.jobs()).length, jobs);
    }
  });

  it("closes clients that are slow with their headers or their body, and serves others meanwhile", async function () {
    this.timeout(30_000);
    const slow = Array.from({ length: 50 }, (_, index) => {
      const socket = net.connect(dispatcher.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.resume();
      socket.write("POST /webhook HTTP/1.1\r\nHost: x\r\n");
      if (index % 2 === 0) {
        const signature = signed(Buffer.from(""));
        socket.write(`Content-Length: 100\r\nX-Buildkite-Signature: ${signature}\r\n\r\n`);
      }
      const drip = setInterval(() => {
        socket.write(index % 2 === 0 ? " " : "X-A: b\r\n");
      }, 500);
      socket.once("close", () => {
        clearInterval(drip);
      });
      return socket;
    });
    await sleep(500);
    assert.equal((await deliver(dispatcher.url, scheduledBody())).outcome, "created");
    await until("all are closed", () => slow.every(({ destroyed }) => destroyed), 20);
  });

  it("serves the real ones during a flood with wrong signatures", async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
    const forged = scheduledBody();
    const headers = { "x-buildkite-signature": signed(forged, "guess") };
    let flooding = true;
    const flood = Array.from({ length: 20 }, async () => {
      while (flooding) {
        const reply = await send(`${dispatcher.url}/webhook`, { method: "POST", body: forged, headers, agent });
        assert.equal(reply.status, 401);
      }
    });
    const genuine = await Promise.all(Array.from({ length: 20 }, () => deliver(dispatcher.url, scheduledBody())));
    flooding = false;
    await Promise.all(flood);
    agent.destroy();
    assert.deepEqual([...new Set(genuine.map(({ outcome }) => outcome))], ["created"]);
    const lines = dispatcher.log.filter((line) => line["cause"] === "signature_wrong");
    assert.ok(lines.length < 20, `${lines.length} lines for the flood`);
  });

  it("lets a flood of idle connections not shut the real ones out", async () => {
    const small = await bench.start({ limits: { bufferSize: 10 } });
    const idle = Array.from({ length: 700 }, () => net.connect(small.port, "127.0.0.1").on("error", () => undefined));
    const open = () => idle.filter(({ readyState }) => readyState === "open").length;
    await until("all are connected or closed", () => idle.every(({ connecting }) => !connecting));
    await until("the oldest are closed", () => open() <= 522);
    assert.equal(idle.at(-1)?.readyState, "open");
    assert.equal((await deliver(small.url, scheduledBody())).outcome, "created");
    for (const socket of idle) {
      socket.destroy();
    }
  });

  it("takes a burst of 1,000 webhooks on as many connections", async function () {
    this.timeout(60_000);
    const uuids = Array.from({ length: 1000 }, () => randomUUID());
    const replies = await Promise.all(uuids.map((uuid) => deliver(dispatcher.url, scheduledBody({ uuid }))));
    assert.deepEqual(
      replies.filter(({ status }) => status !== 200 && status !== 202),
      [],
    );
    await until(
      "all are made",
      () => uuids.every((uuid) => dispatcher.log.some((line) => line["uuid"] === uuid)),
      30_000,
    );
    const made = new Set((await bench.jobs()).map(({ metadata }) => metadata.labels?.["buildkite.com/job-uuid"]));
    assert.deepEqual(
      uuids.filter((uuid) => !made.has(uuid)),
      [],
    );
  });

  it("tells what it did in its metrics", async () => {
    const created = await value('jobs_total{queue="k8s",outcome="created"}');
    const inFlight = (await bench.jobs()).length;
    assert.ok(created > 0);
    assert.equal(await value('webhook_to_job_seconds_count{queue="k8s"}'), created);
    assert.equal(await value('jobs_in_flight{queue="k8s"}'), inFlight);
    assert.ok((await value('kubernetes_request_seconds_count{verb="create",resource="jobs",code="200"}')) >= created);
    assert.ok(Date.now() / 1000 - (await value("kubernetes_last_contact_timestamp_seconds")) < 60);
    assert.equal(await value("ready"), 1);
    assert.ok((await value('webhooks_total{event="none",status="401"}')) > 0);
  });

  it("tells a person how it is", async () => {
    const status = JSON.parse((await send(`${dispatcher.operationsUrl}/status`)).text) as Record<string, unknown>;
    assert.deepEqual([status["ready"], status["mode"]], [true, "webhook-only"]);
    const [queue] = status["queues"] as Record<string, unknown>[];
    assert.deepEqual([queue?.["key"], queue?.["templateFound"]], ["k8s", true]);
  });
});
