import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync, randomUUID, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { buildDispatcherBundle } from "../../dispatcher/bundle";
import { startDispatcherProcess, type DispatcherProcess } from "../../lab/bench/dispatcher-process";
import { DispatcherBench } from "../support/dispatchers";
import { until } from "../support/until";
import { deliver, scheduledBody, SECRET, send, signed } from "../support/webhooks";

describe("the dispatcher's bundle as a process", () => {
  let bench: DispatcherBench;
  let running: DispatcherProcess | undefined;

  before(async function () {
    this.timeout(120_000);
    bench = await DispatcherBench.create("process");
  });

  afterEach(async () => {
    await running?.remove();
    running = undefined;
  });

  after(() => bench.remove());

  async function start(tls?: { cert: string; key: string }): Promise<DispatcherProcess> {
    const { server, caPem } = bench.controlPlane.adminKubeconfig;
    const { settings, agents } = bench;
    const secrets = { current: SECRET };
    running = await startDispatcherProcess({ settings, secrets, server, caPem, token: agents.token, tls });
    return running;
  }

  it("says first what mode it is in and what a SIGKILL may lose", async () => {
    const dispatcher = await start();
    const [first] = dispatcher.log;
    assert.deepEqual([first?.event, first?.["mode"]], ["start", "webhook-only"]);
    assert.match(String(first?.["mayLose"]), /SIGKILL/);
  });

  it("becomes ready, makes Jobs with its service account's rights, and ends with 0 on SIGTERM", async () => {
    const dispatcher = await start();
    await until("ready", async () => (await send(`${dispatcher.url}/readyz`)).status === 200);
    assert.equal((await send(`${dispatcher.operationsUrl}/healthz`)).status, 200);
    const uuid = randomUUID();
    assert.equal((await deliver(dispatcher.url, scheduledBody({ uuid }))).outcome, "created");
    assert.ok(await bench.job(uuid));
    assert.equal(await dispatcher.end("SIGTERM"), 0);
    const text = JSON.stringify(dispatcher.log);
    assert.ok(!text.includes(SECRET) && !text.includes(bench.agents.token), "a secret is in the log");
  });

  it("loses nothing it has acknowledged when SIGTERM comes during a burst", async function () {
    this.timeout(60_000);
    const dispatcher = await start();
    await until("ready", async () => (await send(`${dispatcher.url}/readyz`)).status === 200);
    const uuids = Array.from({ length: 400 }, () => randomUUID());
    const acknowledged: string[] = [];
    let sent = 0;
    let refused = 0;
    const senders = Array.from({ length: 64 }, async () => {
      for (let uuid = uuids[sent++]; uuid !== undefined; uuid = uuids[sent++]) {
        try {
          const { status } = await deliver(dispatcher.url, scheduledBody({ uuid }));
          if (status === 200 || status === 202) {
            acknowledged.push(uuid);
          }
        } catch {
          // It has closed its port: this one was never acknowledged.
          refused++;
        }
      }
    });
    await until("the burst is under way", () => acknowledged.length > 20);
    const ended = dispatcher.end("SIGTERM");
    assert.equal(await ended, 0);
    await Promise.all(senders);
    const made = new Set((await bench.jobs()).map(({ metadata }) => metadata.labels?.["buildkite.com/job-uuid"]));
    assert.deepEqual(
      acknowledged.filter((uuid) => !made.has(uuid)),
      [],
    );
    assert.ok(acknowledged.length > 20);
    assert.equal(acknowledged.length + refused <= 400, true);
    assert.equal(dispatcher.log.at(-1)?.event, "stopped");
  });

  it("serves on for a moment after SIGTERM, but is not ready any more", async () => {
    const dispatcher = await start();
    await until("ready", async () => (await send(`${dispatcher.url}/readyz`)).status === 200);
    const ended = dispatcher.end("SIGTERM");
    await until("the signal was heard", () => dispatcher.log.some(({ event }) => event === "stopping"));
    assert.equal((await send(`${dispatcher.url}/readyz`)).status, 503);
    assert.equal((await deliver(dispatcher.url, scheduledBody())).outcome, "created");
    assert.equal(await ended, 0);
  });

  it("accepts the old and the new secret while both are there, and only the new one after", async function () {
    this.timeout(30_000);
    const dispatcher = await start();
    const folder = join(dispatcher.folder, "webhook");
    const statusWith = async (secret: string): Promise<number> => {
      const body = scheduledBody({ type: "waiter" });
      const headers = { "x-buildkite-signature": signed(body, secret) };
      return (await send(`${dispatcher.url}/webhook`, { method: "POST", body, headers })).status;
    };
    assert.deepEqual([await statusWith(SECRET), await statusWith("new")], [204, 401]);
    await writeFile(join(folder, "previous"), SECRET);
    await writeFile(join(folder, "current"), "new\n");
    await until("the new one is accepted", async () => (await statusWith("new")) === 204, 10);
    assert.equal(await statusWith(SECRET), 204);
    await rm(join(folder, "previous"));
    await until("the old one is refused", async () => (await statusWith(SECRET)) === 401, 10);
    assert.equal(await statusWith("new"), 204);
  });

  it("speaks HTTPS where it is given a certificate, and refuses to start without its key", async () => {
    const { clientCertPem: cert, clientKeyPem: key } = bench.controlPlane.adminKubeconfig;
    const dispatcher = await start({ cert, key });
    const socket = await new Promise<TLSSocket>((resolve, reject) => {
      const { port } = new URL(dispatcher.url);
      // Any certificate will do here: what counts is that it is the one that was given.
      const connecting = connect({ port: Number(port), host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(connecting);
      });
      connecting.once("error", reject);
    });
    assert.equal(socket.getPeerX509Certificate()?.fingerprint256, new X509Certificate(cert).fingerprint256);
    const answer = new Promise<string>((resolve) => {
      socket.once("data", (data: Buffer) => {
        resolve(data.toString());
      });
    });
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert.match(await answer, /^HTTP\/1\.1 200 /);
    socket.destroy();
    await dispatcher.remove();
    await assert.rejects(start({ cert, key: "" }), /no tls\.key in /);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const another = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await assert.rejects(start({ cert, key: another }), /is not the key of tls\.crt/);
  });

  it("listens soon after its start", async () => {
    const began = performance.now();
    await start();
    const milliseconds = performance.now() - began;
    // Bundling is part of it, and the machine is seldom idle: a bound that only a real fault exceeds.
    assert.ok(milliseconds < 3000, `${milliseconds} ms`);
  });

  it("ends with one clear line and code 1 when it cannot start", async () => {
    const folder = await mkdtemp(join(tmpdir(), "buildkite-dispatcher-"));
    const script = join(folder, "dispatcher.js");
    const settings = join(folder, "settings.json");
    await writeFile(script, buildDispatcherBundle().code);
    await writeFile(settings, JSON.stringify({ ...bench.settings, mode: "both" }));
    const lineOf = (env: Record<string, string>) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [script], { env, encoding: "utf8" });
      assert.deepEqual([status, stderr], [1, ""]);
      const [line, ...more] = stdout.trim().split("\n");
      assert.deepEqual(more, []);
      return (JSON.parse(line ?? "") as { error: string }).error;
    };
    assert.match(lineOf({}), /DISPATCHER_SETTINGS is not set/);
    assert.match(lineOf({ DISPATCHER_SETTINGS: join(folder, "absent.json") }), /cannot read .*absent\.json/);
    assert.match(lineOf({ DISPATCHER_SETTINGS: settings }), /mode must be "reconcile" or "webhook-only", got "both"/);
    await rm(folder, { recursive: true });
  });

  it("does not get stuck when the API server is away at its start", async () => {
    const { settings, agents } = bench;
    running = await startDispatcherProcess({
      ...{ settings, secrets: { current: SECRET }, server: "https://127.0.0.1:1", caPem: "", token: agents.token },
    });
    await sleep(300);
    const reply = await send(`${running.url}/readyz`);
    assert.deepEqual([reply.status, reply.text], [503, "the templates were not read yet\n"]);
    assert.equal((await send(`${running.url}/healthz`)).status, 200);
    assert.equal(await running.end("SIGTERM"), 0);
  });
});
