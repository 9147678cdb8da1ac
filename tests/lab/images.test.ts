import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { getPackages, whyNoPackages, type DebianPackages } from "../../lab/debian";
import { baseInAgent, buildImages, type Image, type Images } from "../../lab/images";
import { digestOf } from "../../lab/images/archive";
import { runChild } from "../../lab/parts/child";

/** One entry of a layer, as `tar -tv` shows it. */
interface Entry {
  mode: string;
  owner: string;
  target?: string;
}

/** Built from this machine's own packages around parts that are only words: no container is needed to look into them. */
describe("the lab's images", function () {
  this.timeout(300_000);

  let base: string;
  let packages: DebianPackages;
  let images: Images;
  let lines: string[];

  before(async function () {
    base = await mkdtemp(join(tmpdir(), "images-test-"));
    const reason = whyNoPackages();
    if (reason !== undefined) {
      Object.assign(this, { skipReason: reason });
      return this.skip();
    }
    packages = await getPackages({ print: console.log });
    for (const name of parts) await writePart(name, `the real ${name}`);
    lines = [];
    images = await build();
  });

  after(async () => {
    await rm(base, { recursive: true, force: true });
  });

  const parts = [
    "buildkite-agent",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "docker",
    "docker-buildx",
    "docker-proxy",
    "dockerd",
    "node",
  ];
  const writePart = async (name: string, text: string) => {
    await mkdir(join(base, "parts"), { recursive: true });
    await writeFile(join(base, "parts", name), text);
    await chmod(join(base, "parts", name), 0o700);
  };
  const part = (name: string) => ({ path: join(base, "parts", name) });
  const build = (cache = "cache", signal?: AbortSignal) =>
    buildImages({
      parts: {
        "buildkite-agent": part("buildkite-agent"),
        containerd: part("containerd"),
        docker: part("docker"),
        dockerd: part("dockerd"),
        "docker-buildx": part("docker-buildx"),
      },
      node: part("node").path,
      packages,
      print: (line) => lines.push(line),
      env: { ...process.env, BUILDKITE_LAB_CACHE: join(base, cache) },
      signal,
    });

  const fromArchive = async (image: Image, path: string) => {
    const result = await runChild("tar", ["-xOf", image.archive, `./${path}`]);
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  };
  const describeImage = async (image: Image) => {
    const [manifest] = JSON.parse(await fromArchive(image, "manifest.json")) as [
      { Config: string; Layers: [string]; RepoTags: string[] },
    ];
    const { config } = JSON.parse(await fromArchive(image, manifest.Config)) as { config: Record<string, unknown> };
    return { tags: manifest.RepoTags, layer: manifest.Layers[0], config };
  };

  async function layerOf(image: Image): Promise<{ file: string; entries: Map<string, Entry> }> {
    const { layer } = await describeImage(image);
    const file = join(base, "layers", layer);
    await mkdir(dirname(file), { recursive: true });
    const unpacked = await runChild("tar", ["-xf", image.archive, "-C", join(base, "layers"), `./${layer}`]);
    assert.equal(unpacked.code, 0, unpacked.stderr);
    // More than what runChild keeps of an output.
    const list = join(base, "list");
    await runChild("sh", ["-c", 'tar -tvf "$1" --numeric-owner > "$2"', "list", file, list]);
    const entries = new Map<string, Entry>();
    for (const line of (await readFile(list, "utf8")).trim().split("\n")) {
      const match = /^(\S+) (\S+)\s+\d+ \S+ \S+ \.\/(.*?)\/?(?: -> (.*))?$/.exec(line);
      if (match === null) continue;
      const [, mode = "", owner = "", path = "", target] = match;
      entries.set(path, { mode, owner, target });
    }
    return { file, entries };
  }

  it("are what the official images are to those who start them", async () => {
    const agent = await describeImage(images.agent);
    assert.deepEqual(agent.tags, ["localhost/buildkite/agent:lab"]);
    assert.deepEqual(agent.config["Entrypoint"], ["buildkite-agent-entrypoint"]);
    assert.deepEqual(agent.config["Cmd"], ["start"]);
    assert.deepEqual(agent.config["Volumes"], { "/buildkite": {} });
    assert.ok((agent.config["Env"] as string[]).includes("BUILDKITE_AGENT_CONFIG=/buildkite/buildkite-agent.cfg"));

    const dind = await describeImage(images.dind);
    assert.deepEqual(dind.tags, ["localhost/docker:lab-dind"]);
    assert.deepEqual(dind.config["Entrypoint"], ["dockerd-entrypoint.sh"]);
    assert.equal(dind.config["Cmd"], undefined);
    assert.deepEqual(dind.config["Volumes"], { "/var/lib/docker": {} });
    assert.ok((dind.config["Env"] as string[]).includes("DOCKER_TLS_CERTDIR=/certs"));
  });

  it("hold what their entrypoints call, for any user to run, all of it root's", async () => {
    for (const [image, paths] of [
      [
        images.agent,
        [
          ...["buildkite-agent", "buildkite-agent-entrypoint", "ssh-env-config.sh", "docker"].map(
            (n) => `usr/local/bin/${n}`,
          ),
          "usr/local/lib/docker/cli-plugins/docker-buildx",
          ...["tini", "bash", "git", "ssh", "env", "run-parts", "ps", "cat", "sed"].map((name) => `usr/bin/${name}`),
        ],
      ],
      [
        images.dind,
        [
          ...["dockerd", "docker", "docker-proxy", "containerd", "containerd-shim-runc-v2", "ctr"].map(
            (n) => `usr/local/bin/${n}`,
          ),
          ...["dockerd-entrypoint.sh", "docker-entrypoint.sh", "dind"].map((name) => `usr/local/bin/${name}`),
          "usr/local/libexec/docker/cli-plugins/docker-buildx",
          ...["tini", "busybox", "flock", "mountpoint", "pgrep", "openssl"].map((name) => `usr/bin/${name}`),
          ...["runc", "xtables-nft-multi", "xtables-legacy-multi"].map((name) => `usr/sbin/${name}`),
        ],
      ],
      [images.base, ["usr/bin/busybox"]],
      [images.pause, ["usr/bin/busybox", "usr/bin/tini-static"]],
      [images.node, ["usr/local/bin/node", "usr/bin/env", "usr/bin/dash"]],
    ] as const) {
      const { entries } = await layerOf(image);
      for (const path of paths) {
        assert.match(entries.get(path)?.mode ?? "missing", /^-rwxr-xr-x/, `${path} of ${image.reference}`);
      }
      const foreign = [...entries].filter(([, { owner }]) => owner !== "0/0").map(([path]) => path);
      assert.deepEqual(foreign, [], image.reference);
      assert.match(entries.get("")?.mode ?? "", /^drwxr-xr-x/);
    }
  });

  it("have the shells and links their originals have", async () => {
    const dind = (await layerOf(images.dind)).entries;
    assert.equal(dind.get("usr/bin/sh")?.target, "/usr/bin/busybox");
    assert.equal(dind.get("usr/bin/pkill")?.target, "pgrep");
    assert.equal(dind.get("usr/local/bin/docker-init")?.target, "/usr/bin/tini");
    assert.equal(dind.get("usr/sbin/iptables")?.target, "xtables-nft-multi");
    assert.equal(dind.get("usr/local/sbin/.iptables-legacy/iptables")?.target, "/usr/sbin/xtables-legacy-multi");
    const agent = (await layerOf(images.agent)).entries;
    assert.equal(agent.get("usr/bin/sh")?.target, "dash");
    assert.match(agent.get("tmp")?.mode ?? "", /^drwxrwxrwt/);
    for (const entries of [dind, agent]) {
      assert.deepEqual(
        ["bin", "sbin", "lib", "lib64"].map((name) => entries.get(name)?.target),
        ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64"],
      );
    }
  });

  it("hold the parts they were given, Docker's group, and what certificates need", async () => {
    const content = async (image: Image, path: string) => {
      const { file } = await layerOf(image);
      const result = await runChild("tar", ["-xOf", file, `./${path}`]);
      assert.equal(result.code, 0, `${path}: ${result.stderr}`);
      return result.stdout;
    };
    assert.equal(await content(images.agent, "usr/local/bin/buildkite-agent"), "the real buildkite-agent");
    assert.equal(await content(images.dind, "usr/local/bin/docker-proxy"), "the real docker-proxy");
    assert.match(await content(images.dind, "etc/group"), /^docker:x:2375:$/m);
    assert.match(await content(images.agent, "buildkite/buildkite-agent.cfg"), /^build-path="\/buildkite\/builds"$/m);
    assert.match(await content(images.agent, "etc/ssl/certs/ca-certificates.crt"), /BEGIN CERTIFICATE/);

    const loaded = join(base, "base-in-agent.tar");
    const { file } = await layerOf(images.agent);
    await runChild("sh", ["-c", 'tar -xOf "$1" ".$2" > "$3"', "take", file, baseInAgent, loaded]);
    assert.equal(await digestOf(loaded), await digestOf(images.base.archive));
  });

  it("are built once, and anew only where something in them is another", async () => {
    lines = [];
    assert.deepEqual(await build(), images);
    assert.deepEqual(lines, ["images: all are there"]);

    await writePart("docker-proxy", "another docker-proxy");
    try {
      const others = await build();
      assert.notEqual(others.dind.archive, images.dind.archive);
      assert.deepEqual({ ...others, dind: undefined }, { ...images, dind: undefined });
      await readFile(images.pause.archive);
    } finally {
      await writePart("docker-proxy", "the real docker-proxy");
    }
  });

  it("have the same bytes wherever and whenever they are built", async () => {
    const others = await build("other-cache");
    for (const name of Object.keys(images) as (keyof Images)[]) {
      assert.notEqual(others[name].archive, images[name].archive);
      assert.equal(await digestOf(others[name].archive), await digestOf(images[name].archive), name);
    }
  });

  it("do not pile up: those of days ago go when one is built", async () => {
    const folder = dirname(dirname(images.dind.archive));
    const old = join(folder, "old");
    await mkdir(old);
    const fourDaysAgo = Date.now() / 1000 - 4 * 24 * 3600;
    await utimes(old, fourDaysAgo, fourDaysAgo);
    await writePart("dockerd", "a third dockerd");
    try {
      await build();
      const names = await readdir(folder);
      assert.ok(!names.includes("old") && names.length >= 2, names.join(" "));
    } finally {
      await writePart("dockerd", "the real dockerd");
    }
  });

  it("leave nothing when they are called off", async () => {
    const abort = new AbortController();
    lines = [];
    const building = build("called-off", abort.signal);
    while (!lines.some((line) => line.includes("docker:lab-dind ...")))
      await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort(new Error("called off"));
    await assert.rejects(building, /called off/);
    assert.deepEqual(await readdir(join(base, "called-off/images/dind")), []);
  });
});
