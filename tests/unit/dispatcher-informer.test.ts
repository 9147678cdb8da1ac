import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { KubernetesClient, KubernetesError } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";
import { pauseAfter } from "../../dispatcher/kubernetes/pause";
import { until } from "../support/until";

/** What an API server would answer, a request at a time. */
type Script = (url: URL, response: http.ServerResponse, request: http.IncomingMessage) => void;

const object = (name: string, resourceVersion: string) => ({ metadata: { name, namespace: "n", resourceVersion } });

describe("the Kubernetes client", () => {
  let server: http.Server;
  let client: KubernetesClient;
  let script: Script;

  beforeEach(async () => {
    server = http.createServer((request, response) => {
      script(new URL(request.url ?? "/", "http://x"), response, request);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    client = new KubernetesClient({ server: `http://127.0.0.1:${port}`, token: () => "secret-token" });
  });

  afterEach(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });

  it("sends token, JSON and query, and decodes the answer", async () => {
    script = (url, response, request) => {
      const { authorization } = request.headers;
      response.end(JSON.stringify({ search: url.search, authorization, type: request.headers["content-type"] }));
    };
    const answer = await client.request("POST", "/x", { query: { a: 1, b: undefined, c: "d e" }, body: {} });
    assert.deepEqual(answer, {
      search: "?a=1&c=d+e",
      authorization: "Bearer secret-token",
      type: "application/json",
    });
  });

  it("gives up a refusal of a watch that never ends", async () => {
    const impatient = new KubernetesClient(
      { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
      { timeoutMs: 100 },
    );
    script = (_url, response) => {
      response.writeHead(403).write("{");
    };
    await assert.rejects(impatient.watch("/x").next(), /no answer within 100 ms|aborted|closed the connection/);
    impatient.close();
  });

  it("throws what the API server says, with its hint, and never the token", async () => {
    script = (_url, response) => {
      const status = {
        kind: "Status",
        reason: "TooManyRequests",
        message: "slow down",
        details: { retryAfterSeconds: 7 },
      };
      response.writeHead(429).end(JSON.stringify(status));
    };
    const error = await client.request("GET", "/x").catch((caught: unknown) => caught);
    assert.ok(error instanceof KubernetesError);
    assert.deepEqual([error.status, error.reason, error.retryAfterSeconds], [429, "TooManyRequests", 7]);
    assert.ok(!JSON.stringify(error).includes("secret-token") && !error.message.includes("secret-token"));
  });

  it("throws with a status even when the body is no Status", async () => {
    script = (_url, response) => response.writeHead(502, { "retry-after": "3" }).end("<html>");
    const error = await client.request("GET", "/x").catch((caught: unknown) => caught);
    assert.ok(error instanceof KubernetesError);
    assert.deepEqual([error.status, error.retryAfterSeconds, error.body], [502, 3, undefined]);
  });

  it("ends a request that is called off, before or after it was sent, and keeps no listener", async () => {
    script = () => undefined;
    const stop = new AbortController();
    const under = client.request("GET", "/x", { signal: stop.signal });
    setTimeout(() => {
      stop.abort();
    }, 20);
    await assert.rejects(under, { name: "AbortError" });
    await assert.rejects(client.request("GET", "/x", { signal: stop.signal }), { name: "AbortError" });
    script = (_url, response) => response.end("{}");
    const endless = new AbortController().signal;
    await client.request("GET", "/x", { signal: endless });
    assert.equal(getEventListeners(endless, "abort").length, 0);
  });

  it("gives up after its time, and when the answer is cut short", async () => {
    script = () => undefined;
    await assert.rejects(client.request("GET", "/x", { timeoutMs: 50 }), { code: "ETIMEDOUT" });
    script = (_url, response) => {
      response.writeHead(200, { "content-length": 10 });
      response.write("12");
      setTimeout(() => response.destroy(), 10);
    };
    await assert.rejects(client.request("POST", "/x", { body: {} }), { code: "ECONNRESET" });
  });
});

describe("the informer", () => {
  let server: http.Server;
  let client: KubernetesClient;
  let script: Script;
  let changes: string[];
  let informer: Informer<string>;

  beforeEach(async () => {
    server = http.createServer((request, response) => {
      script(new URL(request.url ?? "/", "http://x"), response, request);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    client = new KubernetesClient({ server: `http://127.0.0.1:${port}` });
    changes = [];
    informer = new Informer({
      ...{ client, path: "/pods", pageSize: 2 },
      keep: ({ metadata }) => `${metadata.name}@${metadata.resourceVersion ?? ""}`,
      onChange: (kind, kept, previous) =>
        changes.push(`${kind} ${kept}${previous === undefined ? "" : ` was ${previous}`}`),
    });
  });

  afterEach(() => {
    informer.stop();
    client.close();
    server.closeAllConnections();
    server.close();
  });

  const list = (response: http.ServerResponse, items: unknown[], resourceVersion: string, next?: string) =>
    response.end(JSON.stringify({ metadata: { resourceVersion, continue: next }, items }));
  const event = (response: http.ServerResponse, type: string, value: unknown) =>
    response.write(`${JSON.stringify({ type, object: value })}\n`);
  const settled = async (count: number) => {
    for (let tries = 0; changes.length < count && tries < 200; tries++) {
      await sleep(10);
    }
  };

  it("lists in pages, then follows the watch, whole lines or not", async () => {
    script = (url, response) => {
      if (url.searchParams.has("watch")) {
        assert.equal(url.searchParams.get("resourceVersion"), "9");
        const line = `${JSON.stringify({ type: "ADDED", object: object("d", "10") })}\n`;
        response.write(line.slice(0, 20));
        setTimeout(() => {
          response.write(line.slice(20));
          event(response, "MODIFIED", object("a", "11"));
          event(response, "DELETED", object("b", "12"));
          event(response, "BOOKMARK", object("", "13"));
        }, 20);
      } else if (url.searchParams.get("continue") === "more") {
        list(response, [object("c", "3")], "9");
      } else {
        list(response, [object("a", "1"), object("b", "2")], "9", "more");
      }
    };
    await informer.start();
    assert.deepEqual(informer.list(), ["a@1", "b@2", "c@3"]);
    await settled(6);
    assert.deepEqual(changes.slice(3), ["added d@10", "modified a@11 was a@1", "deleted b@12 was b@2"]);
    assert.deepEqual(informer.list(), ["a@11", "c@3", "d@10"]);
    assert.equal(informer.get("n", "a"), "a@11");
    assert.ok(Date.now() - informer.lastContact < 1000);
  });

  it("holds of a page only what it keeps before it asks for the next one", async () => {
    const kept: string[] = [];
    const keeping = new Informer({
      ...{ client, path: "/pods", pageSize: 2 },
      keep: ({ metadata }) => {
        kept.push(metadata.name);
        return metadata.name;
      },
    });
    let before: string[] | undefined;
    script = (url, response) => {
      if (url.searchParams.has("watch")) {
        response.flushHeaders();
      } else if (url.searchParams.get("continue") === "more") {
        before = [...kept];
        list(response, [object("c", "3")], "9");
      } else {
        list(response, [object("a", "1"), object("b", "2")], "9", "more");
      }
    };
    await keeping.start();
    keeping.stop();
    assert.deepEqual(before, ["a", "b"]);
    assert.deepEqual(keeping.list(), ["a", "b", "c"]);
  });

  it("lists anew when its version has expired, and tells only the difference", async () => {
    let lists = 0;
    script = (url, response) => {
      if (url.searchParams.has("watch")) {
        response.writeHead(lists > 1 ? 200 : 410);
        if (lists > 1) {
          response.flushHeaders();
        } else {
          response.end(JSON.stringify({ kind: "Status", reason: "Expired" }));
        }
      } else if (++lists === 1) {
        list(response, [object("a", "1"), object("b", "2")], "5");
      } else {
        list(response, [object("b", "2"), object("c", "7")], "9");
      }
    };
    await informer.start();
    await settled(4);
    assert.deepEqual(changes, ["added a@1", "added b@2", "deleted a@1 was a@1", "added c@7"]);
    assert.deepEqual(informer.list(), ["b@2", "c@7"]);
  });

  it("resumes a watch that ended where it stood, without listing", async () => {
    let lists = 0;
    const versions: (string | null)[] = [];
    script = (url, response) => {
      if (!url.searchParams.has("watch")) {
        lists++;
        list(response, [], "5");
        return;
      }
      versions.push(url.searchParams.get("resourceVersion"));
      event(response, "ADDED", object(`w${versions.length}`, String(5 + versions.length)));
      if (versions.length < 3) {
        response.end();
      }
    };
    await informer.start();
    await settled(3);
    assert.deepEqual([lists, versions], [1, ["5", "6", "7"]]);
  });

  it("is synced only once the first list was read, however often that has to be tried", async () => {
    let tries = 0;
    script = (url, response) => {
      if (url.searchParams.has("watch")) {
        response.flushHeaders();
      } else if (++tries < 3) {
        response.writeHead(500).end();
      } else {
        list(response, [object("a", "1")], "5");
      }
    };
    const started = informer.start();
    await sleep(20);
    assert.equal(informer.synced, false);
    await started;
    assert.deepEqual([informer.synced, tries, informer.list()], [true, 3, ["a@1"]]);
  });

  it("stays away as long as the server asks, but never for more than a minute", async () => {
    const asked: number[] = [];
    script = (url, response) => {
      asked.push(performance.now());
      if (asked.length === 1) {
        response.writeHead(429, { "retry-after": "1" }).end();
      } else if (!url.searchParams.has("watch")) {
        list(response, [], "1");
      }
    };
    await informer.start();
    const between = (asked[1] ?? 0) - (asked[0] ?? 0);
    assert.ok(between >= 950 && between < 3000, `asked again after ${between} ms`);

    assert.equal(pauseAfter(250, 86_400), 60_000);
    const own = pauseAfter(250, undefined);
    assert.ok(own >= 125 && own <= 250, `our own pause: ${own} ms`);
  });

  it("says since when it fails and why, and no longer once it is well", async () => {
    let refuse = true;
    script = (url, response) => {
      if (refuse) {
        response.writeHead(403).end();
      } else if (url.searchParams.has("watch")) {
        response.flushHeaders();
      } else {
        list(response, [], "5");
      }
    };
    const began = Date.now();
    const started = informer.start();
    const failure = await until("the failure", () => informer.failure);
    assert.ok(failure.since >= began && failure.since <= Date.now());
    assert.match(failure.error, /403/);
    await until("another try", () => informer.failure !== failure);
    assert.equal(informer.failure?.since, failure.since);
    refuse = false;
    await started;
    await until("health", () => informer.failure === undefined);
  });

  it("ends when it is stopped before that", async () => {
    script = (_url, response) => response.writeHead(500).end();
    const started = informer.start();
    informer.stop();
    await assert.rejects(started, { name: "AbortError" });
  });
});
