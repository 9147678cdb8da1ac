import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FakeBuildkite, signature } from "../../lab/buildkite";

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

describe("the fake Buildkite's webhooks", () => {
  let fake: FakeBuildkite;
  const servers: Server[] = [];

  beforeEach(() => {
    fake = new FakeBuildkite({ agentToken: "a", webhookSecret: "webhook-secret", seed: 3 });
  });

  afterEach(async () => {
    await fake.stop();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function receiver(status: number | "reset" = 200, answer = ""): Promise<{ url: string; received: Received[] }> {
    const received: Received[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (part: string) => (body += part));
      request.on("end", () => {
        received.push({ path: request.url ?? "", headers: request.headers, body });
        if (status === "reset") {
          request.socket.destroy();
          return;
        }
        response.statusCode = status;
        response.end(answer);
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
  }

  it("carry a signature over the timestamp and the raw body, and the documented headers", async () => {
    const { url, received } = await receiver();
    fake.setWebhookTargets([url]);
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    await fake.settled();
    const [one] = received;
    assert.equal(one?.path, "/webhook");
    assert.equal(one.headers["x-buildkite-event"], "job.scheduled");
    assert.equal(one.headers["content-type"], "application/json");
    assert.equal(one.headers["x-buildkite-token"], undefined);
    const [, timestamp = "", hex] = /^timestamp=(\d+),signature=([0-9a-f]{64})$/.exec(
      String(one.headers["x-buildkite-signature"]),
    ) ?? [undefined, undefined, undefined];
    assert.equal(createHmac("sha256", "webhook-secret").update(`${timestamp}.${one.body}`).digest("hex"), hex);
    assert.ok(Math.abs(Date.now() / 1000 - Number(timestamp)) < 5);
    assert.equal(job.webhooks[0]?.status, 200);
    assert.ok((job.webhooks[0].answeredAt ?? 0) >= job.webhooks[0].sentAt);
  });

  it("are signed as in an example worked out elsewhere", () => {
    // printf '%s' '1642080837.{"a": 1}' | openssl dgst -sha256 -hmac 29b1ff5779c76bd48ba6705eb99ff970
    assert.equal(
      signature("29b1ff5779c76bd48ba6705eb99ff970", 1642080837, Buffer.from('{"a": 1}')),
      "timestamp=1642080837,signature=8a44795c2ad4e7dbb43e3674d6c574164c7819a6f5198bc27e9c2d8af163ad72",
    );
  });

  it("have the documented shape, and markers where real ones can hold secrets", async () => {
    const { url, received } = await receiver();
    fake.setWebhookTargets([url]);
    const job = fake.schedule({ queue: "linux", seconds: 1, agentQueryRules: ["docker=true"] });
    await fake.settled();
    const body = JSON.parse(received[0]?.body ?? "{}") as {
      event: string;
      job: Record<string, unknown>;
      build: { number: number; env: Record<string, string> };
      pipeline: { slug: string; provider: { webhook_url: string } };
      sender: unknown;
    };
    assert.deepEqual(Object.keys(body).sort(), ["build", "event", "job", "pipeline", "sender"]);
    assert.equal(body.event, "job.scheduled");
    assert.equal(body.job["id"], job.id);
    assert.equal(body.job["type"], "script");
    assert.deepEqual(body.job["agent_query_rules"], ["queue=linux", "docker=true"]);
    assert.equal(body.job["cluster_id"], fake.clusterId);
    assert.equal(body.build.number, 1);
    assert.equal(body.pipeline.slug, "web");
    assert.ok(Object.values(body.build.env).includes(fake.markers.buildEnv));
    assert.ok(body.pipeline.provider.webhook_url.endsWith(fake.markers.inboundUrl));
    assert.notEqual(fake.markers.buildEnv, fake.markers.inboundUrl);
  });

  it("take turns among the targets and pass over one that is gone", async () => {
    const [a, b] = [await receiver(), await receiver()];
    const gone = await receiver();
    await new Promise((resolve) => servers.pop()?.close(resolve));
    fake.setWebhookTargets([a.url, gone.url, b.url]);
    for (let count = 0; count < 9; count += 1) {
      fake.schedule({ queue: "linux", seconds: 1 });
    }
    await fake.settled();
    assert.equal(a.received.length + b.received.length, 9);
    assert.ok(a.received.length >= 3 && b.received.length >= 3);
    assert.equal(fake.summary().failedWebhooks, 0);
  });

  it("are sent at most once: a broken connection or a refusal is not repeated, and is on record", async () => {
    const [reset, refusing] = [await receiver("reset"), await receiver(503)];
    fake.setWebhookTargets([reset.url]);
    const first = fake.schedule({ queue: "linux", seconds: 1 });
    await fake.settled();
    fake.setWebhookTargets([refusing.url]);
    const second = fake.schedule({ queue: "linux", seconds: 1 });
    await fake.settled();
    assert.equal(reset.received.length, 1);
    assert.equal(refusing.received.length, 1);
    assert.equal(first.webhooks[0]?.status, undefined);
    assert.match(first.webhooks[0]?.error ?? "", /hang up|reset/);
    assert.equal(second.webhooks[0]?.status, 503);
    assert.equal(fake.summary().failedWebhooks, 2);
  });

  it("are on record with what their answer says was done, where it says that in a few words", async () => {
    const outcomes: (string | undefined)[] = [];
    for (const answer of [
      '{"job":"buildkite-1","outcome":"deferred"}',
      '{"outcome":7}',
      "null",
      "not JSON",
      JSON.stringify({ outcome: "x".repeat(10_000) }),
    ]) {
      fake.setWebhookTargets([(await receiver(200, answer)).url]);
      const job = fake.schedule({ queue: "linux", seconds: 1 });
      await fake.settled();
      assert.equal(job.webhooks[0]?.status, 200);
      outcomes.push(job.webhooks[0].outcome);
    }
    assert.deepEqual(outcomes, ["deferred", undefined, undefined, undefined, undefined]);
  });

  it("say so when there is nobody to send to", async () => {
    const job = fake.schedule({ queue: "linux", seconds: 1 });
    await fake.settled();
    assert.equal(job.webhooks[0]?.error, "no live target");
  });

  it("come late for a limited job, and again when they are repeated", async () => {
    const { url, received } = await receiver();
    fake.setWebhookTargets([url]);
    const job = fake.schedule({ queue: "linux", seconds: 1, state: "limited" });
    await fake.settled();
    assert.equal(received.length, 0);
    fake.release(job.id);
    fake.repeatWebhook(job.id);
    await fake.settled();
    assert.equal(received.length, 2);
  });

  it("are signed with the new secret after a rotation", async () => {
    const { url, received } = await receiver();
    fake.setWebhookTargets([url]);
    fake.rotateWebhookSecret("another");
    fake.schedule({ queue: "linux", seconds: 1 });
    await fake.settled();
    const header = String(received[0]?.headers["x-buildkite-signature"]);
    const timestamp = Number(/timestamp=(\d+)/.exec(header)?.[1]);
    assert.equal(header, signature("another", timestamp, Buffer.from(received[0]?.body ?? "")));
  });
});
