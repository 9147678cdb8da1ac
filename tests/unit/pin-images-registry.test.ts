import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readOptions } from "../../tools/pin-images/options";
import { pinImages } from "../../tools/pin-images/pin-images";
import type { Patience } from "../../tools/pin-images/transport";
import { selfSigned, WHY_NO_CERTIFICATE } from "../support/certificate";
import { ScriptedServer, type ScriptedAnswer, type ScriptedRequest } from "../support/scripted-server";

const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

const platform = (os: string, architecture: string) => ({
  mediaType: MANIFEST,
  digest: sha256(`${os}/${architecture}`),
  size: 1,
  platform: { os, architecture },
});
const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: INDEX,
  manifests: [platform("linux", "arm64"), platform("linux", "amd64"), platform("unknown", "unknown")],
});
const armOnly = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [platform("linux", "arm64")] });
const configuration = JSON.stringify({ os: "linux", architecture: "amd64" });
const single = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config: { digest: sha256(configuration) } });

/** Against a server that says what a registry could: what is asked, what is written, what a person reads. */
describe("npm run pin-images, with a registry that", () => {
  const patience: Patience = { answer: 10_000, pause: 10, pauses: 3000, attempts: 4 };
  let server: ScriptedServer;
  let folder: string;
  let path: string;
  let host: string;
  let printed: string[];
  let notes: string[];

  beforeEach(async () => {
    server = await ScriptedServer.start();
    host = new URL(server.url).host;
    folder = await mkdtemp(join(tmpdir(), "pin-images-test-"));
    path = join(folder, "images.json");
    await write({ one: `${host}/acme/one:1.0` });
    serve(index, INDEX);
  });
  afterEach(async () => {
    await server.stop().catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });

  const write = (images: Record<string, string>) =>
    writeFile(
      path,
      JSON.stringify({
        about: "kept",
        images: Object.fromEntries(Object.entries(images).map(([n, tag]) => [n, { tag }])),
      }),
    );
  const file = async () =>
    JSON.parse(await readFile(path, "utf8")) as { about: string; images: Record<string, unknown> };

  /** A manifest under tag 1.0 and its digest, and its configuration; everything else is not there. */
  function serve(text: string, mediaType: string, headers: Record<string, string> = {}): void {
    server.answer = ({ path: asked }) => manifest(asked, text, mediaType, headers);
  }
  function manifest(asked: string, text: string, mediaType: string, headers = {}): ScriptedAnswer {
    if (asked.endsWith(`/blobs/${sha256(configuration)}`)) return { text: configuration };
    if (!/\/manifests\/1\.0$/.test(asked) && !asked.endsWith(sha256(text))) return { status: 404 };
    return { text, headers: { "content-type": mediaType, "docker-content-digest": sha256(text), ...headers } };
  }

  function run(argv: string[] = [], given: { patience?: Partial<Patience>; env?: NodeJS.ProcessEnv } = {}) {
    printed = [];
    notes = [];
    const options = readOptions(argv);
    assert.ok(options !== "help");
    return pinImages(options, {
      path,
      env: { DOCKER_CONFIG: folder, ...given.env },
      patience: { ...patience, ...given.patience },
      print: (line) => printed.push(line),
      note: (line) => notes.push(line),
    });
  }

  /** It must be refused with these words; nothing is printed or written. */
  async function refused(words: RegExp, argv: string[] = [], given: Parameters<typeof run>[1] = {}): Promise<string> {
    const before = await readFile(path, "utf8");
    assert.equal(await run(argv, given), 3);
    const said = notes.join("\n");
    assert.match(said, words);
    assert.match(said, /^FAILED {2}\S+\/acme\/one:1\.0 at \S+: /m, "names image and registry");
    assert.deepEqual(printed, []);
    assert.equal(await readFile(path, "utf8"), before);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith(".")),
      [],
    );
    return said;
  }

  describe("answers well", () => {
    it("has the index's digest written, with its media type, once", async () => {
      assert.equal(await run(), 0);
      assert.deepEqual(await file(), {
        about: "kept",
        images: {
          one: { tag: `${host}/acme/one:1.0`, pinned: `${host}/acme/one:1.0@${sha256(index)}`, mediaType: INDEX },
        },
      });
      assert.deepEqual(printed, [`${host}/acme/one:1.0@${sha256(index)}`]);
      assert.match(notes.join("\n"), /one: new; .*index.*; linux\/amd64, linux\/arm64/);
      assert.deepEqual(
        server.seen.map(({ method, path: asked }) => `${method} ${asked}`),
        ["HEAD /v2/acme/one/manifests/1.0", `GET /v2/acme/one/manifests/${sha256(index)}`],
      );
      for (const { headers } of server.seen) {
        for (const type of [INDEX, MANIFEST, "manifest.list.v2+json", "distribution.manifest.v2+json"]) {
          assert.ok(headers.accept?.includes(type), `${type} is accepted`);
        }
        assert.equal(headers.authorization, undefined);
      }

      assert.equal(await run(), 0);
      assert.match(notes.join("\n"), /one: as before.*\n.* is current\./);
    });

    it("is asked for the images named only, and one that is not of the file is only printed", async () => {
      await write({ one: `${host}/acme/one:1.0`, two: `${host}/acme/two:1.0` });
      assert.equal(await run(["two", `${host}/acme/three:1.0`]), 0);
      assert.deepEqual(printed, [`${host}/acme/two:1.0@${sha256(index)}`, `${host}/acme/three:1.0@${sha256(index)}`]);
      const { images } = await file();
      assert.deepEqual(Object.keys(images), ["one", "two"]);
      assert.deepEqual(images["one"], { tag: `${host}/acme/one:1.0` });
      assert.equal(server.calls(/acme\/one/).length, 0);
    });

    it("changes nothing with --dry-run", async () => {
      const before = await readFile(path, "utf8");
      assert.equal(await run(["--dry-run"]), 0);
      assert.equal(await readFile(path, "utf8"), before);
      assert.match(notes.join("\n"), /Nothing was written \(--dry-run\): 1 of 1 would change/);
    });

    it("is asked by GET where it does not know HEAD, or does not tell the digest by it", async () => {
      for (const headAnswer of [{ status: 405 }, { status: 200 }]) {
        server.seen.length = 0;
        server.answer = ({ method, path: asked }) => (method === "HEAD" ? headAnswer : manifest(asked, index, INDEX));
        assert.equal(await run(["--dry-run"]), 0);
        assert.deepEqual(printed, [`${host}/acme/one:1.0@${sha256(index)}`]);
        assert.equal(server.calls(/GET .*\/manifests\/1\.0$/).length, 1);
      }
    });

    it("has a single manifest's platform read from its configuration", async () => {
      serve(single, MANIFEST);
      assert.equal(await run(), 0);
      assert.match(notes.join("\n"), /one: new; .*manifest\.v1\+json; linux\/amd64$/m);
    });
  });

  describe("is compared with the file by --check", () => {
    const pinnedTo = async (digest: string) => {
      const tag = `${host}/acme/one:1.0`;
      await writeFile(
        path,
        JSON.stringify({ about: "", images: { one: { tag, pinned: `${tag}@${digest}`, mediaType: INDEX } } }),
      );
    };

    it("is content while the tag points where it pointed, and asks by HEAD alone", async () => {
      await pinnedTo(sha256(index));
      assert.equal(await run(["--check"]), 0);
      assert.deepEqual(
        server.seen.map(({ method }) => method),
        ["HEAD"],
      );
    });

    it("says what a tag points at now, and changes nothing", async () => {
      await pinnedTo(sha256("the former"));
      const before = await readFile(path, "utf8");
      assert.equal(await run(["--check"]), 1);
      assert.equal(
        notes.join("\n"),
        `MOVED  ${host}/acme/one:1.0 points at ${sha256(index)} now, pinned is ${sha256("the former")}: ` +
          "look at what changed, then npm run pin-images -- one",
      );
      assert.equal(await readFile(path, "utf8"), before);
    });

    it("says that an image was never pinned", async () => {
      assert.equal(await run(["--check"]), 1);
      assert.match(notes.join("\n"), /UNPINNED {2}\S+\/acme\/one:1\.0 has no digest: npm run pin-images -- one/);
    });

    it("checks an image that a stack names", async () => {
      assert.equal(await run(["--check", `${host}/acme/x:1.0@${sha256(index)}`]), 0);
      assert.equal(await run(["--check", `${host}/acme/x:1.0@${sha256("the former")}`]), 1);
    });

    it("does not take a registry that is down for a moved tag", async () => {
      await pinnedTo(sha256(index));
      server.answer = () => ({ status: 503 });
      assert.equal(await run(["--check"]), 3);
    });
  });

  describe("wants to know who asks", () => {
    const basic = `Basic ${Buffer.from("me:pass-of-the-tests").toString("base64")}`;
    const login = () =>
      writeFile(
        join(folder, "config.json"),
        JSON.stringify({ auths: { [host]: { auth: basic.slice("Basic ".length) } } }),
      );
    /** Sends for a token, as Docker Hub does, and lets only that one in. */
    const tokens = (token: (request: ScriptedRequest) => ScriptedAnswer) => {
      server.answer = (request) => {
        if (request.path === "/token") return token(request);
        if (request.headers.authorization === "Bearer token-of-the-tests") return manifest(request.path, index, INDEX);
        const challenge = `Bearer realm="${server.url}/token",service="the registry",scope="repository:acme/one:pull"`;
        return { status: 401, headers: { "www-authenticate": challenge } };
      };
    };

    it("is given an anonymous token, which is asked for once", async () => {
      tokens(() => ({ body: { token: "token-of-the-tests" } }));
      assert.equal(await run(), 0);
      const [asked, ...more] = server.calls(/\/token$/);
      assert.deepEqual(asked?.query, { service: "the registry", scope: "repository:acme/one:pull" });
      assert.equal(asked.headers.authorization, undefined);
      assert.deepEqual(more, []);
    });

    it("is given a token for the user of config.json, who is told to the token server only", async () => {
      await login();
      tokens(({ headers }) =>
        headers.authorization === basic ? { body: { access_token: "token-of-the-tests" } } : { status: 401 },
      );
      assert.equal(await run(), 0);
      const told = server.seen.filter(({ headers }) => headers.authorization === basic);
      assert.deepEqual(
        told.map(({ path: asked }) => asked),
        ["/token"],
      );
      assert.doesNotMatch([...printed, ...notes].join("\n"), /of-the-tests/);
    });

    it("is given user and password where it asks for those", async () => {
      await login();
      server.answer = ({ path: asked, headers }) =>
        headers.authorization === basic
          ? manifest(asked, index, INDEX)
          : { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } };
      assert.equal(await run(), 0);
    });

    it("refuses an anonymous request: says how to log in", async () => {
      server.answer = () => ({ status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
      await refused(/refuses an anonymous request \(401\): acme\/one is private.* docker login 127\.0\.0\.1:\d+/);
      tokens(() => ({ status: 403 }));
      await refused(/refuses an anonymous request \(403\)/);
    });

    it("refuses the credentials, or the token it had issued itself: they are not shown", async () => {
      await login();
      server.answer = () => ({ status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
      for (const token of [undefined, { status: 401 }, { body: { token: "another-of-the-tests" } }]) {
        if (token !== undefined) tokens(() => token);
        const said = await refused(/refuses the credentials that Docker's config\.json has for it \(401\)/);
        assert.doesNotMatch(said, /of-the-tests/);
        assert.ok(!said.includes(basic.slice("Basic ".length)));
      }
    });

    it("refuses while a helper keeps the credentials: says that helpers are not run", async () => {
      await writeFile(join(folder, "config.json"), JSON.stringify({ credsStore: "desktop" }));
      server.answer = () => ({ status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
      await refused(/docker-credential-desktop, which this tool does not run/);
    });

    for (const [what, answer, words] of [
      ["no token", { body: {} }, /answers 200 without one/],
      ["a page", { text: "<html>" }, /answers 200 without one/],
      ["something no header may hold", { body: { token: "a\nsecret-of-the-tests" } }, /answers 200 without one/],
      ["404", { status: 404 }, /answers 404 without one/],
    ] as const) {
      it(`has a token server that answers with ${what}`, async () => {
        tokens(() => answer);
        assert.doesNotMatch(await refused(words), /of-the-tests/);
      });
    }

    for (const [challenge, words] of [
      ["Negotiate", /names no way to log in that is known here/],
      ['Bearer realm="nowhere"', /sends for a token to "nowhere", which is no address/],
      [
        'Bearer realm="http://192.0.2.1/token"',
        /leads to http:\/\/192\.0\.2\.1, which is not HTTPS.*--insecure 192\.0\.2\.1/,
      ],
    ] as const) {
      it(`asks for ${challenge}`, async () => {
        await login();
        server.answer = () => ({ status: 401, headers: { "www-authenticate": challenge } });
        await refused(words);
      });
    }
  });

  describe("is busy or broken", () => {
    const failing = (times: number, answer: ScriptedAnswer) => {
      let left = times;
      server.answer = ({ path: asked }) => (left-- > 0 ? answer : manifest(asked, index, INDEX));
    };

    it("answers 429: is waited for as long as it asks", async () => {
      failing(1, { status: 429, headers: { "retry-after": "1" } });
      assert.equal(await run(), 0);
      const [first, second] = server.seen;
      assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 990, "not asked again before a second was over");
    });

    it("answers 429 with a date that is past, or with none: is asked again", async () => {
      for (const after of ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", undefined]) {
        failing(2, { status: 429, headers: after === undefined ? {} : { "retry-after": after } });
        assert.equal(await run(["--dry-run"]), 0);
      }
    });

    it("asks to be waited for longer than that: says how long", async () => {
      failing(99, { status: 429, headers: { "retry-after": "3600" } });
      await refused(
        /answers 429, too many requests, and asks to wait 3600 s \(it is waited for 3 s at most\)\. Try again later, or log in/,
      );
      assert.equal(server.seen.length, 1);
    });

    it("answers 429 for ever: is asked a bounded number of times", async () => {
      failing(99, { status: 429 });
      await refused(/answers 429, too many requests \(/);
      assert.equal(server.seen.length, patience.attempts);
    });

    it("answers 503, then well; or for ever", async () => {
      failing(2, { status: 503 });
      assert.equal(await run(["--dry-run"]), 0);
      failing(99, { status: 503 });
      await refused(/answers 503, 4 times at most\. The fault is on its side/);
    });

    it("breaks off once before or within its answer, then answers well", async () => {
      for (const answer of ["cut", { text: index, halfway: "cut" }] as const) {
        failing(1, answer);
        assert.equal(await run(["--dry-run"]), 0, notes.join("\n"));
      }
    });

    it("breaks off each time", async () => {
      failing(99, "cut");
      await refused(/broke off the connection/);
      server.answer = ({ method, path: asked }) =>
        method === "HEAD" ? manifest(asked, index, INDEX) : { text: index, halfway: "cut" };
      await refused(/broke off the connection/);
    });

    it("says nothing, or falls silent", async () => {
      server.answer = () => "silent";
      await refused(/gave no whole answer within 0\.2 s/, [], { patience: { answer: 200 } });
      server.answer = ({ method, path: asked }) =>
        method === "HEAD" ? manifest(asked, index, INDEX) : { text: index, halfway: "silent" };
      await refused(/gave no whole answer within 0\.5 s/, [], { patience: { answer: 500 } });
    });

    it("sends for ever", async () => {
      serve(" ".repeat(5 * 1024 * 1024), INDEX);
      await refused(/its answer is longer than 4194304 bytes/);
    });

    it("has one image and not the other: nothing is written, and all that is wrong is said", async () => {
      await write({ zero: `${host}/acme/zero:1.0`, one: `${host}/acme/one:2.0`, two: `${host}/acme/two:3.0` });
      const before = await readFile(path, "utf8");
      assert.equal(await run(), 3);
      assert.equal(await readFile(path, "utf8"), before);
      assert.deepEqual(
        notes.filter((line) => line.startsWith("FAILED")),
        [
          `FAILED  ${host}/acme/one:2.0 at ${host}: there is no tag 2.0 in acme/one (404). Name a tag that is there`,
          `FAILED  ${host}/acme/two:3.0 at ${host}: there is no tag 3.0 in acme/two (404). Name a tag that is there`,
        ],
      );
      assert.ok(notes.includes("Nothing was written: not all images could be resolved."));
    });
  });

  describe("does not tell the truth", () => {
    it("serves other bytes under a digest", async () => {
      server.answer = ({ method, path: asked }) =>
        method === "HEAD"
          ? manifest(asked, index, INDEX)
          : { text: armOnly, headers: { "content-type": INDEX, "docker-content-digest": sha256(index) } };
      await refused(/its manifest has the digest sha256:\w+, but the registry says sha256:\w+\. Something on the way/);
    });

    it("names another digest than that of the bytes, where only GET is known", async () => {
      server.answer = ({ method, path: asked }) =>
        method === "HEAD" ? { status: 405 } : manifest(asked, index, INDEX, { "docker-content-digest": sha256("x") });
      await refused(/its manifest has the digest/);
    });

    it("serves another configuration than the manifest's", async () => {
      server.answer = ({ path: asked }) =>
        asked.includes("/blobs/") ? { text: `${configuration} ` } : manifest(asked, single, MANIFEST);
      await refused(/its configuration has the digest/);
    });

    for (const [what, text, type, headers, words] of [
      [
        "no digest",
        index,
        INDEX,
        { "docker-content-digest": "latest" },
        /Docker-Content-Digest must be sha256:.*got "latest"/,
      ],
      [
        "an image for arm64 alone",
        armOnly,
        INDEX,
        {},
        /must hold linux\/amd64, which nodes run, but holds linux\/arm64/,
      ],
      ["an empty index", JSON.stringify({ mediaType: INDEX }), INDEX, {}, /but holds no platform/],
      [
        "an index of nonsense",
        JSON.stringify({ mediaType: INDEX, manifests: [null, { platform: { os: "\u001b[2J", architecture: 7 } }] }),
        INDEX,
        {},
        /but holds no platform/,
      ],
      ["an index of nothing", JSON.stringify({ mediaType: INDEX, manifests: {} }), INDEX, {}, /but holds no platform/],
      ["no JSON", "<html>", INDEX, {}, /its manifest is no JSON object/],
      ["null", "null", INDEX, {}, /its manifest is no JSON object/],
      [
        "a type unlike the one within",
        index,
        MANIFEST,
        {},
        /its media type must be one of .*, but is ".*index.*", served as/,
      ],
      ["a type of long ago", "{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", {}, /must be one of/],
      ["a manifest without a configuration", "{}", MANIFEST, {}, /must be sha256: and 64/],
    ] as const) {
      it(`serves ${what}`, async () => {
        serve(text, type, headers);
        await refused(words);
      });
    }
  });

  describe("cannot be spoken with, since it", () => {
    // 0.0.0.0 leads to this machine, but is not what it is called by: HTTPS is spoken with it.
    const elsewhere = (port: number) => `0.0.0.0:${port}`;
    const only = (at: string) => write({ one: `${at}/acme/one:1.0` });

    it("does not listen", async () => {
      await server.stop();
      await refused(/127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)\. See that it is up/);
    });

    it("has a name that nobody knows", async () => {
      await only("registry.invalid");
      await refused(/the name registry\.invalid could not be looked up \((ENOTFOUND|EAI_AGAIN)\)/);
    });

    it("speaks plain HTTP elsewhere than on loopback: is not asked, unless that is said", async () => {
      const at = elsewhere(Number(new URL(server.url).port));
      await only(at);
      await refused(/no trusted TLS connection with 0\.0\.0\.0:\d+ \(\w+\)\..* --insecure 0\.0\.0\.0:\d+/);
      assert.equal(server.seen.length, 0);
      assert.equal(await run(["--insecure", at]), 0);
    });

    it("has a certificate that nobody trusts", async function () {
      const certificate = await selfSigned(folder);
      if (certificate === undefined) {
        Object.assign(this, { skipReason: WHY_NO_CERTIFICATE });
        return this.skip();
      }
      const tls = https.createServer({ cert: certificate.certPem, key: certificate.keyPem }).listen(0, "127.0.0.1");
      await new Promise((resolve) => tls.once("listening", resolve));
      try {
        await only(elsewhere((tls.address() as AddressInfo).port));
        await refused(/no trusted TLS connection with \S+ \(DEPTH_ZERO_SELF_SIGNED_CERT\)\..*NODE_EXTRA_CA_CERTS/);
      } finally {
        tls.closeAllConnections();
        tls.close();
      }
    });

    it("leads on to plain HTTP elsewhere: that is not read", async () => {
      const at = elsewhere(Number(new URL(server.url).port));
      server.answer = ({ path: asked, headers }) =>
        headers.host === at
          ? manifest(asked, index, INDEX)
          : { status: 307, headers: { location: `http://${at}${asked}` } };
      await refused(/leads to http:\/\/0\.0\.0\.0:\d+, which is not HTTPS/);
    });
  });

  it("is not asked at all for what is no image", async () => {
    await assert.rejects(
      run(["agnet"]),
      /"agnet" is no image that can be pinned: it must end with a tag.*it is none of one either/,
    );
    assert.equal(server.seen.length, 0);
  });
});
