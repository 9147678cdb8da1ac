import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE_ENTRIES, IMAGES, referenceOf } from "../../components/images";
import { parseChallenges } from "../../tools/pin-images/challenge";
import { readCredentials } from "../../tools/pin-images/credentials";
import { readImagesFile } from "../../tools/pin-images/images-file";
import { readOptions } from "../../tools/pin-images/options";
import { DIGEST, parseReference } from "../../tools/pin-images/reference";

const digest = `sha256:${"a".repeat(64)}`;

describe("an image's name", () => {
  for (const [text, registry, host, repository, tag] of [
    ["docker:29.7.2-dind", "docker.io", "registry-1.docker.io", "library/docker", "29.7.2-dind"],
    ["buildkite/agent:3", "docker.io", "registry-1.docker.io", "buildkite/agent", "3"],
    ["docker.io/docker:1", "docker.io", "registry-1.docker.io", "library/docker", "1"],
    ["index.docker.io/a/b:1", "docker.io", "registry-1.docker.io", "a/b", "1"],
    ["ghcr.io/acme/a__b/c-d:v1.2_3", "ghcr.io", "ghcr.io", "acme/a__b/c-d", "v1.2_3"],
    ["localhost/a:1", "localhost", "localhost", "a", "1"],
    ["127.0.0.1:5000/a:1", "127.0.0.1:5000", "127.0.0.1:5000", "a", "1"],
    ["registry:5000/a/b:1", "registry:5000", "registry:5000", "a/b", "1"],
    ["[::1]:5000/a:1", "[::1]:5000", "[::1]:5000", "a", "1"],
  ] as const) {
    it(`${text} is ${repository} at ${registry}`, () => {
      assert.deepEqual(parseReference(text), { tagged: text, registry, host, repository, tag });
    });
  }

  it("keeps a digest apart", () => {
    const { tagged, digest: found } = parseReference(`docker:1@${digest}`);
    assert.deepEqual({ tagged, found }, { tagged: "docker:1", found: digest });
  });

  for (const [text, rule] of [
    ["docker", /must end with a tag/],
    [`docker@${digest}`, /must end with a tag/],
    ["registry:5000/a", /must end with a tag/],
    ["", /must end with a tag/],
    ["docker:", /the tag must be/],
    ["docker:-x", /the tag must be/],
    ["Docker:1", /the repository must be lower-case/],
    ["../a:1", /the repository must be lower-case|the registry must be a host/],
    ["ghcr.io/a/../b:1", /the repository must be lower-case/],
    ["user@ghcr.io/a:1", /after @ there must be one digest/],
    ["docker:1@sha256:abc", /after @ there must be one digest/],
    ["a.b?c/d:1", /the registry must be a host/],
  ] as const) {
    it(`${JSON.stringify(text)} is refused with its rule`, () => {
      assert.throws(() => parseReference(text), rule);
    });
  }
});

describe("a registry's challenge", () => {
  it("is read as Docker Hub writes it", () => {
    const header =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/docker:pull,push"';
    assert.deepEqual(parseChallenges(header), [
      {
        scheme: "bearer",
        parameters: {
          realm: "https://auth.docker.io/token",
          service: "registry.docker.io",
          scope: "repository:library/docker:pull,push",
        },
      },
    ]);
  });

  it("may be one of several, with quotes and without", () => {
    assert.deepEqual(parseChallenges('Basic realm="say \\"hi\\"", Negotiate, BEARER Realm = https-ish , scope=a'), [
      { scheme: "basic", parameters: { realm: 'say "hi"' } },
      { scheme: "negotiate", parameters: {} },
      { scheme: "bearer", parameters: { realm: "https-ish", scope: "a" } },
    ]);
  });

  for (const header of ["", ",,,", '"', 'Bearer realm="open', "=".repeat(50_000), "Bearer ,".repeat(5000)]) {
    it(`${JSON.stringify(header.slice(0, 20))} ends the reading`, () => {
      const began = Date.now();
      parseChallenges(header);
      assert.ok(Date.now() - began < 2000);
    });
  }
});

describe("credentials for a registry", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pin-images-test-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const of = async (registry: string, config: unknown) => {
    await writeFile(join(folder, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
    return (await readCredentials({ DOCKER_CONFIG: folder }))(registry);
  };
  const auth = Buffer.from("user:pass:word").toString("base64");
  const basic = { username: "user", password: "pass:word" };

  for (const [registry, name] of [
    ["docker.io", "https://index.docker.io/v1/"],
    ["ghcr.io", "ghcr.io"],
    ["registry.example.com:5000", "https://registry.example.com:5000"],
    ["quay.io", "https://quay.io/v2/"],
  ] as const) {
    it(`of ${registry} stand under ${name}`, async () => {
      assert.deepEqual(await of(registry, { auths: { [name]: { auth } } }), { basic });
    });
  }

  it("are no other registry's", async () => {
    assert.deepEqual(
      await of("ghcr.io", { auths: { "ghcr.io.evil.example": { auth }, "https://index.docker.io/v1/": { auth } } }),
      {},
    );
  });

  it("are read from the home folder where DOCKER_CONFIG is not set", async () => {
    await mkdir(join(folder, ".docker"));
    await writeFile(join(folder, ".docker/config.json"), JSON.stringify({ auths: { "ghcr.io": basic } }));
    assert.deepEqual((await readCredentials({ HOME: folder }))("ghcr.io"), { basic });
  });

  it("are none where there is no file", async () => {
    assert.deepEqual((await readCredentials({ DOCKER_CONFIG: join(folder, "nowhere") }))("ghcr.io"), {});
  });

  it("that a helper keeps are not had, which is said", async () => {
    for (const config of [
      { credsStore: "desktop", auths: { "ghcr.io": {} } },
      { credHelpers: { "ghcr.io": "desktop" } },
    ]) {
      const { basic: none, note } = await of("ghcr.io", config);
      assert.equal(none, undefined);
      assert.match(note ?? "", /docker-credential-desktop, which this tool does not run: .*set DOCKER_CONFIG/);
    }
  });

  it("of an identity token are not used, which is said", async () => {
    const entry = { auth: Buffer.from("00000000-0000:").toString("base64"), identitytoken: "secret-of-the-tests" };
    const { basic: none, note } = await of("ghcr.io", { auths: { "ghcr.io": entry } });
    assert.equal(none, undefined);
    assert.match(note ?? "", /has an identity token/);
    assert.doesNotMatch(note ?? "", /secret-of-the-tests/);
  });

  for (const text of ['{"auths": {"ghcr.io": {"auth": "secret-of-the-tests}', '"secret-of-the-tests"', "[]"]) {
    it(`in a damaged file (${text.slice(0, 8)}) are not shown by the error`, async () => {
      await assert.rejects(of("ghcr.io", text), (error: Error) => {
        assert.match(error.message, /config\.json must be a JSON object as docker login writes it/);
        assert.doesNotMatch(error.message, /secret-of/);
        return true;
      });
    });
  }
});

describe("the command line of pin-images", () => {
  it("is read", () => {
    assert.deepEqual(readOptions(["dind", "--check", "--insecure", "a:5000", "--insecure", "b"]), {
      images: ["dind"],
      check: true,
      dryRun: false,
      insecure: ["a:5000", "b"],
    });
    assert.equal(readOptions(["--help"]), "help");
  });

  for (const [argv, rule] of [
    [["--check", "--dry-run"], /--check and --dry-run cannot be used together/],
    [["--insecure", "http://a"], /--insecure must be a host with or without a port, got "http:\/\/a"/],
    [["--chekc"], /--chekc/],
  ] as const) {
    it(`refuses ${argv.join(" ")}`, () => {
      assert.throws(() => readOptions(argv), rule);
    });
  }
});

describe("the checked-in images", () => {
  it("have exact tags, and a digest only with its media type", async () => {
    const { images } = await readImagesFile(join(__dirname, "../../components/image-digests.json"));
    assert.deepEqual(Object.keys(images), ["agent", "dind", "node"]);
    for (const { tag, pinned, mediaType } of Object.values(images)) {
      assert.match(parseReference(tag).tag, /^\d+\.\d+\.\d+/);
      assert.equal(parseReference(tag).digest, undefined);
      assert.ok(pinned === undefined || DIGEST.test(parseReference(pinned).digest ?? ""), pinned);
      assert.equal(pinned === undefined, mediaType === undefined);
    }
  });

  it("are what pods are given: by digest where there is one", () => {
    assert.equal(IMAGES.dind, referenceOf(IMAGE_ENTRIES.dind));
    assert.equal(referenceOf({ tag: "docker:1" }), "docker:1");
    assert.equal(referenceOf({ tag: "docker:1", pinned: `docker:1@${digest}` }), `docker:1@${digest}`);
  });

  it("are given by tag, and so warned of, where somebody changed the tag and has not asked for its digest", () => {
    assert.equal(referenceOf({ tag: "docker:2", pinned: `docker:1@${digest}` }), "docker:2");
    assert.equal(referenceOf({ tag: "docker", pinned: `docker:1@${digest}` }), "docker");
  });
});
