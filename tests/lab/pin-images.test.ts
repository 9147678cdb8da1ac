import assert from "node:assert/strict";
import { randomUUID, sign } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChild } from "../../lab/parts/child";
import { readOptions } from "../../tools/pin-images/options";
import { pinImages } from "../../tools/pin-images/pin-images";
import { PATIENCE } from "../../tools/pin-images/transport";
import { selfSigned, WHY_NO_CERTIFICATE, type SelfSigned } from "../support/certificate";
import { DockerRegistry, ImagePusher, registryBinary, whyNoRegistry } from "../support/docker-registry";
import { ScriptedServer } from "../support/scripted-server";

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Against the distribution's registry, with images that were pushed to it. */
describe("npm run pin-images, with a real registry", function () {
  this.timeout(300_000);
  let binary: string;
  let folder: string;
  let path: string;
  let registry: DockerRegistry;
  let printed: string[];
  let notes: string[];

  before(async function () {
    const reason = whyNoRegistry();
    if (reason !== undefined) {
      Object.assign(this, { skipReason: reason });
      return this.skip();
    }
    binary = await registryBinary();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pin-images-test-"));
    path = join(folder, "images.json");
  });

  afterEach(async () => {
    await registry.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function run(...argv: string[]): Promise<number> {
    printed = [];
    notes = [];
    const options = readOptions(argv);
    assert.ok(options !== "help");
    return pinImages(options, {
      path,
      env: { DOCKER_CONFIG: folder },
      patience: PATIENCE,
      print: (line) => printed.push(line),
      note: (line) => notes.push(line),
    });
  }

  const list = (...tags: string[]) =>
    writeFile(
      path,
      JSON.stringify({ about: "", images: Object.fromEntries(tags.map((tag, n) => [`image${n}`, { tag }])) }),
    );
  const entries = async () => {
    const { images } = JSON.parse(await readFile(path, "utf8")) as { images: Record<string, unknown> };
    return Object.values(images);
  };

  it("pins indexes and single manifests, keeps what is current, and finds a tag that was moved", async () => {
    registry = await DockerRegistry.start(binary, folder);
    const many = new ImagePusher(registry.host, "library/many");
    const index = await many.index("1.0", ["arm64", "amd64"]);
    const one = await new ImagePusher(registry.host, "one").manifest("2.0", "linux", "amd64");
    const tags = [`${registry.host}/library/many:1.0`, `${registry.host}/one:2.0`] as const;
    await list(...tags);

    assert.equal(await run("--check"), 1);
    assert.equal(await run(), 0, notes.join("\n"));
    const pinned = [
      { tag: tags[0], pinned: `${tags[0]}@${index.digest}`, mediaType: INDEX },
      { tag: tags[1], pinned: `${tags[1]}@${one.digest}`, mediaType: MANIFEST },
    ];
    assert.deepEqual(await entries(), pinned);
    assert.deepEqual(
      printed,
      pinned.map((entry) => entry.pinned),
    );
    assert.equal(await run("--check"), 0, notes.join("\n"));

    const moved = await many.index("1.0", ["arm64", "amd64"], "another layer");
    assert.equal(await run("--check"), 1);
    assert.match(notes.join("\n"), new RegExp(`MOVED .* points at ${moved.digest} now, pinned is ${index.digest}`));
    assert.deepEqual(await entries(), pinned);
    assert.equal(await run("image0"), 0);
    assert.deepEqual((await entries())[0], { ...pinned[0], pinned: `${tags[0]}@${moved.digest}` });
  });

  it("refuses what is not there or not for the nodes, all at once, and writes nothing", async () => {
    registry = await DockerRegistry.start(binary, folder);
    const pusher = new ImagePusher(registry.host, "some");
    await pusher.index("good", ["amd64"]);
    await pusher.index("arm", ["arm64"]);
    await pusher.manifest("arm-alone", "linux", "arm64");
    await list(...["good", "arm", "arm-alone", "missing"].map((tag) => `${registry.host}/some:${tag}`));
    const before = await readFile(path, "utf8");
    assert.equal(await run(), 3);
    const failed = notes.filter((line) => line.startsWith("FAILED"));
    assert.equal(failed.length, 3, notes.join("\n"));
    assert.match(failed[0] ?? "", /some:arm at .* must hold linux\/amd64, which nodes run, but holds linux\/arm64/);
    assert.match(failed[1] ?? "", /some:arm-alone at .* must hold linux\/amd64/);
    assert.match(failed[2] ?? "", /some:missing at .* there is no tag missing in some \(404\)/);
    assert.equal(await readFile(path, "utf8"), before);
  });

  it("logs in with the user of Docker's config.json where the registry has users", async () => {
    const htpasswd = join(folder, "htpasswd");
    // bcrypt of the password below, at its lowest cost.
    await writeFile(htpasswd, "puller:$2b$04$bUcEnx8oETMXY3UgJFxoVuU9pCCDLVpHYTtJs1v52mTH5tLZ7jPfm\n");
    registry = await DockerRegistry.start(binary, folder, { htpasswd: { realm: "tests", path: htpasswd } });
    const login = (password: string) => Buffer.from(`puller:${password}`).toString("base64");
    const index = await new ImagePusher(registry.host, "private", `Basic ${login("pull-of-the-tests")}`).index("1", [
      "amd64",
    ]);
    await list(`${registry.host}/private:1`);

    assert.equal(await run(), 3);
    assert.match(notes.join("\n"), /refuses an anonymous request \(401\).*docker login 127\.0\.0\.1:\d+/);
    for (const [password, code] of [
      ["wrong-of-the-tests", 3],
      ["pull-of-the-tests", 0],
    ] as const) {
      await writeFile(
        join(folder, "config.json"),
        JSON.stringify({ auths: { [registry.host]: { auth: login(password) } } }),
      );
      assert.equal(await run(), code, notes.join("\n"));
      assert.doesNotMatch([...printed, ...notes].join("\n"), /of-the-tests/);
    }
    assert.deepEqual(await entries(), [
      { tag: `${registry.host}/private:1`, pinned: `${registry.host}/private:1@${index.digest}`, mediaType: INDEX },
    ]);
  });

  it("fetches a token where the registry asks for one, for pulling this repository only", async function () {
    const certificate = await selfSigned(folder);
    if (certificate === undefined) {
      Object.assign(this, { skipReason: WHY_NO_CERTIFICATE });
      return this.skip();
    }
    const tokens = await ScriptedServer.start();
    try {
      const auth = {
        realm: `${tokens.url}/token`,
        service: "tests",
        issuer: "tests",
        rootcertbundle: certificate.certPath,
      };
      registry = await DockerRegistry.start(binary, folder, { token: auth });
      const write = tokenFor(certificate, "acme/agent", ["pull", "push"]);
      const { digest } = await new ImagePusher(registry.host, "acme/agent", `Bearer ${write}`).index("1", ["amd64"]);
      const image = `${registry.host}/acme/agent:1`;
      await list(image);

      tokens.answer = () => ({ body: { token: tokenFor(certificate, "acme/agent", ["pull"]) } });
      assert.equal(await run(image), 0, notes.join("\n"));
      assert.deepEqual(printed, [`${image}@${digest}`]);
      assert.deepEqual(
        tokens.seen.map(({ query }) => query),
        [{ service: "tests", scope: "repository:acme/agent:pull" }],
      );

      tokens.answer = () => ({ body: { token: tokenFor(certificate, "acme/another", ["pull"]) } });
      assert.equal(await run(image), 3);
      assert.match(notes.join("\n"), /refuses an anonymous request \(401\)/);
    } finally {
      await tokens.stop();
    }
  });

  it("prints one pinned reference and nothing else on standard output, for an image that a stack names", async () => {
    registry = await DockerRegistry.start(binary, folder);
    const { digest } = await new ImagePusher(registry.host, "acme/agent").index("1.2", ["amd64"]);
    await mkdir(join(folder, "home"));
    const image = `${registry.host}/acme/agent:1.2`;
    const main = join(__dirname, "..", "..", "tools", "pin-images", "main.ts");
    const call = (...argv: string[]) =>
      runChild(process.execPath, ["--import", "tsx", main, ...argv], {
        cwd: join(__dirname, "..", ".."),
        env: { PATH: process.env["PATH"], HOME: join(folder, "home"), TSX_DISABLE_CACHE: "1" },
      });
    const answer = await call(image);
    assert.deepEqual({ code: answer.code, stdout: answer.stdout }, { code: 0, stdout: `${image}@${digest}\n` });
    assert.match(answer.stderr, /agent:1\.2: new; .*; linux\/amd64/);

    const wrong = await call("agnet");
    assert.deepEqual({ code: wrong.code, stdout: wrong.stdout }, { code: 2, stdout: "" });
    assert.match(wrong.stderr, /it is none of agent, dind, node either\nAll options: npm run pin-images -- --help/);
    const help = await call("--help");
    assert.match(help.stdout, /^npm run pin-images/);
  });
});

/** What a token server hands out: a JSON Web Token as the distribution's documentation describes it. */
function tokenFor({ certPem, keyPem }: SelfSigned, name: string, actions: readonly string[]): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, nbf: now - 60, exp: now + 300 };
  const claims = { iss: "tests", sub: "", aud: "tests", ...times, jti: randomUUID() };
  const chain = [certPem.replace(/-----[A-Z ]+-----|\s/g, "")];
  const text = `${part({ typ: "JWT", alg: "ES256", x5c: chain })}.${part({ ...claims, access: [{ type: "repository", name, actions }] })}`;
  const signature = sign("sha256", Buffer.from(text), { key: keyPem, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}
