import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { access, chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { getParts, type GetPartsOptions, type PartName } from "../../lab/parts";
import { addToCache, cacheFolder, readCache } from "../../lab/parts/cache";
import { runChild } from "../../lab/parts/child";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const sha256 = (text: string | Buffer) => createHash("sha256").update(text).digest("hex");
const scriptSaying = (version: string) => `#!/bin/sh\necho "${version}"\n`;

describe("the lab's parts", function () {
  this.timeout(20_000);

  let base: string;
  let bin: string;
  let server: Server;
  let address: string;
  let answers: Map<string, Handler>;
  let requests: string[];
  let lines: string[];
  let env: NodeJS.ProcessEnv;

  before(async () => {
    server = createServer((request, response) => {
      requests.push(request.url ?? "");
      const answer = answers.get(request.url ?? "");
      if (answer === undefined) response.writeHead(404).end();
      else answer(request, response);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "parts-test-"));
    bin = join(base, "bin");
    await mkdir(bin);
    // Just what the scripts below and the unpacking need; neither Go nor any part is here.
    for (const tool of ["sh", "tar", "gzip", "sleep", "cat", "cp"]) await linkTool(tool);
    env = { PATH: bin, HOME: base, BUILDKITE_LAB_CACHE: join(base, "cache") };
    answers = new Map();
    requests = [];
    lines = [];
  });

  afterEach(async () => {
    await rm(base, { recursive: true, force: true });
  });

  async function linkTool(tool: string): Promise<void> {
    for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
      const path = join(folder, tool);
      if (
        await access(path).then(
          () => true,
          () => false,
        )
      ) {
        await symlink(path, join(bin, tool));
        return;
      }
    }
  }

  async function script(path: string, text: string): Promise<void> {
    await writeFile(path, text);
    await chmod(path, 0o755);
  }

  /** A Go whose `build` runs these shell lines, with the output file in $out, all words in $all and the package in $last. */
  const fakeGo = (build: string) =>
    script(
      join(bin, "go"),
      `#!/bin/sh
if [ "$1" = env ]; then printf 'go1.26.0\\nlocal\\n'; exit 0; fi
all="$*"
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; last=$1; shift; done
${build}
`,
    );
  const buildsWell = `printf '#!/bin/sh\\necho built\\n' > "$out"; /bin/chmod +x "$out"`;

  function get<Name extends PartName>(names: Name[], options: Partial<GetPartsOptions> = {}) {
    return getParts(names, {
      print: (line) => lines.push(line),
      env,
      publishers: { kubernetes: address, github: address, githubApi: address },
      patience: { checksum: 500, stall: 500 },
      platform: { os: "linux", arch: "amd64" },
      ...options,
    });
  }

  const apiserver = "/release/v1.36.3/bin/linux/amd64/kube-apiserver";
  const serve = (path: string, body: string | Buffer) =>
    answers.set(path, (_request, response) => {
      response.end(body);
    });

  async function cacheContents(): Promise<string[]> {
    const names = await readdir(join(base, "cache"), { recursive: true }).catch(() => []);
    return names.sort();
  }

  describe("on PATH", () => {
    it("takes a binary of the same minor version, whatever its patch, and does not ask any publisher", async () => {
      await script(join(bin, "kube-apiserver"), scriptSaying("Kubernetes v1.36.9"));
      await script(join(bin, "etcd"), scriptSaying("etcd Version: 3.6.99\nGit SHA: abc\nGo Version: go1.24.1"));
      const parts = await get(["etcd", "kube-apiserver"]);
      assert.deepEqual(parts["kube-apiserver"], {
        name: "kube-apiserver",
        version: "v1.36.9",
        path: join(bin, "kube-apiserver"),
        from: "path",
        cached: true,
      });
      assert.equal(parts.etcd.version, "v3.6.99");
      assert.deepEqual(lines, ["parts: all 2 are there"]);
      assert.deepEqual(requests, []);
    });

    for (const [what, text] of [
      ["another minor version", scriptSaying("Kubernetes v1.35.3")],
      ["a version that is only similar", scriptSaying("Kubernetes v11.36.3")],
      ["no version", scriptSaying("who knows")],
      ["a failure", `${scriptSaying("Kubernetes v1.36.3")}exit 1\n`],
    ] as const) {
      it(`passes over a binary that answers with ${what}`, async () => {
        await script(join(bin, "kube-apiserver"), text);
        await fakeGo(buildsWell);
        assert.equal((await get(["kube-apiserver"]))["kube-apiserver"].from, "go-build");
      });
    }

    it("takes a newer Pulumi CLI of the same major version, but only with its language host beside it", async () => {
      const installed = join(base, "pulumi");
      await mkdir(installed);
      await script(join(installed, "pulumi"), scriptSaying("v3.300.1"));
      await symlink(join(installed, "pulumi"), join(bin, "pulumi"));
      await fakeGo(buildsWell);
      const { pulumi } = await get(["pulumi"]);
      assert.equal(pulumi.from, "go-build");

      // Beside the binary, not beside the link to it: that is where the engine looks.
      await script(join(installed, "pulumi-language-nodejs"), "#!/bin/sh\n");
      const { pulumi: complete } = await get(["pulumi"]);
      assert.equal(complete.from, "path");
      assert.equal(complete.version, "v3.300.1");
    });

    for (const version of ["v3.258.9", "v4.0.0"]) {
      it(`passes over Pulumi ${version}`, async () => {
        await script(join(bin, "pulumi"), scriptSaying(version));
        await script(join(bin, "pulumi-language-nodejs"), "#!/bin/sh\n");
        await fakeGo(buildsWell);
        assert.equal((await get(["pulumi"])).pulumi.from, "go-build");
      });
    }
  });

  describe("downloaded", () => {
    const body = scriptSaying("Kubernetes v1.36.3");

    it("keeps a binary whose checksum is the one served beside it, and says so in the first line", async () => {
      serve(apiserver, body);
      serve(`${apiserver}.sha256`, sha256(body) + "\n");
      const { "kube-apiserver": part } = await get(["kube-apiserver"]);
      assert.equal(part.from, "download");
      assert.equal(part.cached, false);
      assert.equal(await readFile(part.path, "utf8"), body);
      assert.match(lines[0] ?? "", /^parts: downloading kube-apiserver v1\.36\.3 \(about \d+ MB\)/);

      const requested = requests.length;
      const { "kube-apiserver": again } = await get(["kube-apiserver"]);
      assert.deepEqual({ from: again.from, cached: again.cached }, { from: "download", cached: true });
      assert.equal(requests.length, requested);
    });

    it("takes a binary out of an archive, checked against a list of checksums", async () => {
      const root = join(base, "etcd-v3.6.16-linux-amd64");
      await mkdir(root);
      await script(join(root, "etcd"), scriptSaying("etcd"));
      await script(join(root, "etcdctl"), scriptSaying("etcdctl"));
      const archive = join(base, "etcd.tar.gz");
      await runChild("tar", ["-czf", archive, "-C", base, "etcd-v3.6.16-linux-amd64"]);
      const folder = "/etcd-io/etcd/releases/download/v3.6.16";
      const bytes = await readFile(archive);
      serve(`${folder}/etcd-v3.6.16-linux-amd64.tar.gz`, bytes);
      serve(
        `${folder}/SHA256SUMS`,
        `${sha256("another")}  etcd-v3.6.16-linux-arm64.tar.gz\n${sha256(bytes)}  etcd-v3.6.16-linux-amd64.tar.gz\n`,
      );
      const { etcd } = await get(["etcd"]);
      assert.equal(etcd.from, "download");
      assert.deepEqual((await readdir(join(etcd.path, ".."))).sort(), ["etcd", "part.json"]);
    });

    it("takes a part with its companions out of an archive", async () => {
      const root = join(base, "static");
      await mkdir(join(root, "bin"), { recursive: true });
      for (const name of ["containerd", "containerd-shim-runc-v2", "containerd-stress", "ctr"]) {
        await script(join(root, "bin", name), scriptSaying(name));
      }
      const archive = join(base, "containerd.tar.gz");
      await runChild("tar", ["-czf", archive, "-C", root, "bin"]);
      const bytes = await readFile(archive);
      const path = "/containerd/containerd/releases/download/v2.4.2/containerd-static-2.4.2-linux-amd64.tar.gz";
      serve(path, bytes);
      serve(`${path}.sha256sum`, `${sha256(bytes)}  containerd-static-2.4.2-linux-amd64.tar.gz\n`);
      const { containerd } = await get(["containerd"]);
      assert.equal(containerd.from, "download");
      const names = await readdir(join(containerd.path, ".."));
      assert.deepEqual(names.sort(), ["containerd", "containerd-shim-runc-v2", "ctr", "part.json"]);
    });

    for (const [name, file, list, archived] of [
      [
        "buildkite-agent",
        "/buildkite/agent/releases/download/v3.138.1/buildkite-agent-linux-amd64-3.138.1.tar.gz",
        "/buildkite/agent/releases/download/v3.138.1/buildkite-agent-3.138.1.SHA256SUMS",
        true,
      ],
      [
        "docker-buildx",
        "/docker/buildx/releases/download/v0.38.2/buildx-v0.38.2.linux-amd64",
        "/docker/buildx/releases/download/v0.38.2/checksums.txt",
        false,
      ],
      ["kubelet", "/release/v1.36.3/bin/linux/amd64/kubelet", "/release/v1.36.3/bin/linux/amd64/kubelet.sha256", false],
      [
        "kube-proxy",
        "/release/v1.36.3/bin/linux/amd64/kube-proxy",
        "/release/v1.36.3/bin/linux/amd64/kube-proxy.sha256",
        false,
      ],
    ] as const) {
      it(`knows where ${name} is served`, async () => {
        let bytes: Buffer = Buffer.from(body);
        if (archived) {
          await script(join(base, name), body);
          await runChild("tar", ["-czf", join(base, "a.tar.gz"), "-C", base, `./${name}`]);
          bytes = await readFile(join(base, "a.tar.gz"));
        }
        serve(file, bytes);
        serve(list, `${sha256(bytes)}  ${file.slice(file.lastIndexOf("/") + 1)}\n`);
        const part = (await get([name]))[name];
        assert.equal(part.from, "download");
        assert.equal(await readFile(part.path, "utf8"), body);
      });
    }

    it("takes a checksum from the publisher's description of its release", async () => {
      serve("/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok-linux-amd64", body);
      const assets = [
        { name: "kwok-linux-arm64", digest: `sha256:${sha256("another")}` },
        { name: "kwok-linux-amd64", digest: `sha256:${sha256(body)}` },
      ];
      serve("/repos/kubernetes-sigs/kwok/releases/tags/v0.8.0", JSON.stringify({ assets }));
      assert.equal((await get(["kwok"])).kwok.from, "download");
    });

    it("never keeps a binary with another checksum: it is built instead", async () => {
      serve(apiserver, body);
      serve(`${apiserver}.sha256`, sha256("something else"));
      await fakeGo(buildsWell);
      const { "kube-apiserver": part } = await get(["kube-apiserver"]);
      assert.equal(part.from, "go-build");
      assert.match(await readFile(part.path, "utf8"), /built/);
      assert.ok(lines.some((line) => line.includes("was not downloaded") && line.includes("its publisher says")));
    });

    for (const [what, checksum] of [
      ["no checksum", undefined],
      ["a page instead of a checksum", "<html>please log in</html>"],
      ["a checksum of another file", `${sha256(body)}  kube-scheduler`],
    ] as const) {
      it(`is not even asked for where its publisher serves ${what}`, async () => {
        serve(apiserver, body);
        if (checksum !== undefined) serve(`${apiserver}.sha256`, checksum);
        await assert.rejects(get(["kube-apiserver"]), /two ways out/);
        assert.deepEqual(requests, [`${apiserver}.sha256`]);
        assert.deepEqual(await cacheContents(), []);
      });
    }

    for (const [what, answer] of [
      [
        "is cut off",
        (_request: IncomingMessage, response: ServerResponse) => {
          response.writeHead(200, { "content-length": body.length });
          response.write(body.slice(0, 5), () => response.destroy());
        },
      ],
      [
        "stalls",
        (_request: IncomingMessage, response: ServerResponse) => {
          response.writeHead(200, { "content-length": body.length });
          response.write(body.slice(0, 5));
        },
      ],
      [
        "is refused",
        (_request: IncomingMessage, response: ServerResponse) => {
          response.writeHead(403).end("no");
        },
      ],
    ] as [string, Handler][]) {
      it(`leaves nothing of a download that ${what}, and builds`, async () => {
        serve(`${apiserver}.sha256`, sha256(body));
        answers.set(apiserver, answer);
        await fakeGo(buildsWell);
        assert.equal((await get(["kube-apiserver"]))["kube-apiserver"].from, "go-build");
        assert.deepEqual(await readdir(join(base, "cache", "parts", "kube-apiserver")), ["v1.36.3"]);
        assert.deepEqual((await readdir(join(base, "cache", "parts", "kube-apiserver", "v1.36.3"))).sort(), [
          "kube-apiserver",
          "part.json",
        ]);
      });
    }

    it("asks all publishers at once and gives up on silent ones together", async () => {
      const silent: Handler = () => undefined;
      for (const name of ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]) {
        answers.set(`/release/v1.36.3/bin/linux/amd64/${name}.sha256`, silent);
      }
      await fakeGo(buildsWell);
      const began = Date.now();
      await get(["kube-apiserver", "kube-controller-manager", "kube-scheduler"]);
      assert.ok(Date.now() - began < 1500, `took ${Date.now() - began} ms with a patience of 500 ms`);
      assert.match(lines[0] ?? "", /no answer in time/);
    });

    it("says within moments that nobody can be reached, and names both ways out where Go is missing too", async () => {
      const nobody = "http://127.0.0.1:9";
      await assert.rejects(
        get(["etcd", "kube-apiserver"], { publishers: { kubernetes: nobody, github: nobody, githubApi: nobody } }),
        (error: Error) => {
          for (const expected of [
            "etcd v3.6.16, kube-apiserver v1.36.3",
            "there is no Go on PATH",
            "https://dl.k8s.io",
            "install Go 1.26 or newer",
          ]) {
            assert.ok(error.message.includes(expected), `${expected} is not in: ${error.message}`);
          }
          return true;
        },
      );
      assert.deepEqual(lines, []);
    });
  });

  describe("built", () => {
    it("says in the first line what is built and how long that takes, then when each begins and ends", async () => {
      await fakeGo(buildsWell);
      const parts = await get(["kube-apiserver", "pulumi"]);
      assert.equal(parts.pulumi.from, "go-build");
      assert.match(
        lines[0] ?? "",
        /^parts: building kube-apiserver v1\.36\.3, pulumi v3\.259\.0 from Go modules: usually about \d+ min in all on 2 cores/,
      );
      assert.deepEqual(
        lines.slice(1).map((line) => line.replace(/\d+ s/g, "N s").replace(/^\[ *N/, "[N")),
        [
          "[N s] building kube-apiserver v1.36.3 ...",
          "[N s] building kube-apiserver v1.36.3: done in N s",
          "[N s] building pulumi v3.259.0 ...",
          "[N s] building pulumi v3.259.0: done in N s",
          "[N s] parts: all 2 are there",
        ],
      );
    });

    it("says that a long build is still running", async () => {
      await fakeGo(`sleep 1; ${buildsWell}`);
      await get(["kube-apiserver"], { heartbeatMilliseconds: 200 });
      assert.ok(lines.filter((line) => line.includes("so far")).length >= 2, lines.join("\n"));
    });

    it("is told to build exactly what is pinned, for this machine", async () => {
      await fakeGo(`/usr/bin/env > "${base}/env"; printf '%s' "$PWD" > "${base}/folder"; ${buildsWell}`);
      env["GOFLAGS"] = "-mod=mod";
      env["GOOS"] = "plan9";
      await get(["kwok"]);
      const seen = await readFile(join(base, "env"), "utf8");
      assert.match(seen, /^CGO_ENABLED=0$/m);
      assert.match(seen, /^GOWORK=off$/m);
      assert.doesNotMatch(seen, /^(GOFLAGS|GOOS)=/m);
      assert.match(await readFile(join(base, "folder"), "utf8"), /lab\/parts\/go\/kwok$/);
    });

    it("brings its companions, each from its own package, with the flags of the part", async () => {
      await fakeGo(`echo "$last" >> "${base}/packages"; ${buildsWell}`);
      const { containerd } = await get(["containerd"]);
      assert.deepEqual((await readdir(join(containerd.path, ".."))).sort(), [
        "containerd",
        "containerd-shim-runc-v2",
        "ctr",
        "part.json",
      ]);
      const packages = (await readFile(join(base, "packages"), "utf8")).trim().split("\n");
      assert.deepEqual(
        packages.map((path) => path.replace("github.com/containerd/containerd/v2/cmd/", "")),
        ["containerd", "containerd-shim-runc-v2", "ctr"],
      );

      await rm(join(containerd.path, "../ctr"));
      const { containerd: again } = await get(["containerd"]);
      assert.equal(again.cached, false, "a part without one of its companions was taken for whole");
    });

    it("fails where a companion does not come out of it, and leaves nothing", async () => {
      await fakeGo(`case $out in */docker-proxy) exit 0 ;; esac; ${buildsWell}`);
      await assert.rejects(get(["dockerd"]), /no binary docker-proxy came out of it/);
      assert.deepEqual(await cacheContents(), ["parts", "parts/dockerd"]);
    });

    it("tells the compiler what language a module without a go.mod is written in", async () => {
      await fakeGo(`echo "$all" > "${base}/flags"; ${buildsWell}`);
      await get(["docker"]);
      assert.match(
        await readFile(join(base, "flags"), "utf8"),
        / -gcflags=github\.com\/docker\/cli\/\.\.\.=-lang=go1\.26 /,
      );
      await get(["buildkite-agent"]);
      assert.doesNotMatch(await readFile(join(base, "flags"), "utf8"), /gcflags/);
    });

    it("is the only way where the publisher serves no checksum: nothing is even asked", async () => {
      await fakeGo(buildsWell);
      assert.equal((await get(["dockerd"])).dockerd.from, "go-build");
      assert.deepEqual(requests, []);
      assert.match(lines[0] ?? "", /nobody serves dockerd with a checksum/);
    });

    it("is what goes into images, never what happens to be installed", async () => {
      await script(join(bin, "dockerd"), scriptSaying("Docker version 29.9.3"));
      await script(join(bin, "docker-proxy"), scriptSaying("29.9.3"));
      await fakeGo(buildsWell);
      assert.equal((await get(["dockerd"])).dockerd.from, "go-build");
    });

    it("fails with the compiler's words and leaves nothing", async () => {
      await fakeGo(`echo "half" > "$out"; echo "undefined: something" >&2; exit 2`);
      await assert.rejects(get(["kwok"]), /undefined: something/);
      assert.deepEqual(await cacheContents(), ["parts", "parts/kwok"]);
    });

    for (const [what, version, toolchain, expected] of [
      ["too old to fetch a newer one", "go1.20.5", "auto", /the Go on PATH is 1\.20\.5, 1\.26 is needed/],
      ["older and told to stay so", "go1.25.1", "local", /the Go on PATH is 1\.25\.1, 1\.26 is needed/],
    ] as const) {
      it(`counts a Go that is ${what} as missing`, async () => {
        await script(join(bin, "go"), `#!/bin/sh\nprintf '${version}\\n${toolchain}\\n'\n`);
        await assert.rejects(get(["kwok"]), expected);
      });
    }

    it("ends the compiler and all it started when it is called off, and leaves nothing", async () => {
      await fakeGo(`echo half > "$out"; sleep 60 & echo $! > "${base}/child"; wait`);
      const abort = new AbortController();
      const parts = get(["kwok"], { signal: abort.signal });
      const child = await eventually(() =>
        readFile(join(base, "child"), "utf8").then((text) => Number(text) || undefined),
      );
      abort.abort(new Error("called off"));
      await assert.rejects(parts, /called off/);
      assert.deepEqual(await cacheContents(), ["parts", "parts/kwok"]);
      await eventually(async () => {
        const state = await readFile(`/proc/${child}/stat`, "utf8").catch(() => ") Z");
        return /\) Z/.test(state) ? true : undefined;
      });
    });
  });

  describe("in the cache", () => {
    const part = { name: "kwok", version: "v0.8.0", from: "go-build" } as const;
    const put = (text: string) => (folder: string) => script(join(folder, "kwok"), text);

    it("lie where BUILDKITE_LAB_CACHE says, else under XDG_CACHE_HOME, else under HOME", () => {
      assert.equal(cacheFolder({ BUILDKITE_LAB_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" }), "/a/parts");
      assert.equal(cacheFolder({ XDG_CACHE_HOME: "/b", HOME: "/c" }), "/b/buildkite-scale-to-zero/parts");
      assert.equal(cacheFolder({ XDG_CACHE_HOME: "b", HOME: "/c" }), "/c/.cache/buildkite-scale-to-zero/parts");
      assert.throws(() => cacheFolder({ BUILDKITE_LAB_CACHE: "a" }), /must be an absolute path/);
    });

    it("are seen only when they are whole", async () => {
      const cache = join(base, "cache", "parts");
      await addToCache(cache, part, async (folder) => {
        await script(join(folder, "kwok"), "x");
        assert.equal(await readCache(cache, "kwok", "v0.8.0"), undefined);
      });
      assert.deepEqual(await readCache(cache, "kwok", "v0.8.0"), {
        path: join(cache, "kwok", "v0.8.0", "kwok"),
        from: "go-build",
      });
    });

    it("stay the first run's when two make the same part at once", async () => {
      const cache = join(base, "cache", "parts");
      await Promise.all(
        ["one", "two", "three"].map((text, index) =>
          addToCache(cache, part, async (folder) => {
            await sleep(index * 30);
            await put(text)(folder);
          }),
        ),
      );
      assert.equal(await readFile(join(cache, "kwok", "v0.8.0", "kwok"), "utf8"), "one");
      assert.deepEqual(await readdir(join(cache, "kwok")), ["v0.8.0"]);
    });

    it("are made anew where a folder has lost its binary", async () => {
      const cache = join(base, "cache", "parts");
      await addToCache(cache, part, put("first"));
      await rm(join(cache, "kwok", "v0.8.0", "kwok"));
      assert.equal(await readCache(cache, "kwok", "v0.8.0"), undefined);
      const { path } = await addToCache(cache, part, put("second"));
      assert.equal(await readFile(path, "utf8"), "second");
    });

    it("are not those of another version", async () => {
      const cache = join(base, "cache", "parts");
      await addToCache(cache, part, put("x"));
      assert.equal(await readCache(cache, "kwok", "v0.9.0"), undefined);
    });
  });

  it("stop before anything is asked or started when they are called off already", async () => {
    await fakeGo(buildsWell);
    await assert.rejects(get(["kwok"], { signal: AbortSignal.abort(new Error("called off")) }), /called off/);
    assert.deepEqual(requests, []);
    assert.deepEqual(await cacheContents(), []);
  });
});

async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    await sleep(25);
  }
  throw new Error("not within 5 s");
}
