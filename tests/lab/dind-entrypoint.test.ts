import assert from "node:assert/strict";
import { access, chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { runChild } from "../../lab/parts/child";

const scripts = join(__dirname, "../../lab/images/scripts");

/** The scripts of the dind image with everything they start replaced: what they pass on is what counts. */
describe("the dind image's entrypoint", function () {
  this.timeout(20_000);

  let base: string;
  let bin: string;
  let certificates: string;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "entrypoint-test-"));
    bin = join(base, "bin");
    certificates = join(base, "certs");
    await mkdir(bin);
    for (const tool of ["sh", "mkdir", "cp", "chmod", "sort", "sed"]) await linkTool(tool);
    await linkTool("awk");
    const says = (name: string) =>
      stub(name, `printf '%s\\n' ${name} "$@"; printf 'PATH=%s\\n' "$PATH" > "${base}/path"`);
    await says("docker-init");
    await says("docker-entrypoint.sh");
    await stub("find", `printf '%s\\n' "$*" > "${base}/find"`);
    await stub("iptables", "exit 0");
    await stub("hostname", "echo build-pod");
    await stub("ip", "echo '2: eth0 inet 10.244.1.7/24 brd 10.244.1.255'");
    // Writes whatever it is told to write, and keeps what it was asked.
    await stub(
      "openssl",
      `echo "$@" >> "${base}/openssl"
while [ $# -gt 0 ]; do
  if [ "$1" = -out ]; then echo made > "$2"; fi
  if [ "$1" = -extfile ]; then cat "$2" >> "${base}/openssl"; fi
  shift
done`,
    );
    await linkTool("cat");
  });

  afterEach(async () => {
    await rm(base, { recursive: true, force: true });
  });

  async function linkTool(tool: string): Promise<void> {
    for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
      const there = await access(join(folder, tool)).then(
        () => true,
        () => false,
      );
      if (there) return symlink(join(folder, tool), join(bin, tool));
    }
    throw new Error(`no ${tool} on PATH`);
  }

  async function stub(name: string, lines: string): Promise<void> {
    await rm(join(bin, name), { force: true });
    await writeFile(join(bin, name), `#!/bin/sh\n${lines}\n`);
    await chmod(join(bin, name), 0o755);
  }

  async function run(commandArguments: string[], env: NodeJS.ProcessEnv = {}): Promise<string[]> {
    const result = await runChild("/bin/sh", [join(scripts, "dockerd-entrypoint.sh"), ...commandArguments], {
      env: { PATH: bin, ...env },
    });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout.trim().split("\n");
  }

  const dockerd = ["docker-init", "--", "dind", "dockerd"];
  const chosenPath = () => readFile(join(base, "path"), "utf8");

  it("passes on what follows the word dockerd, adds no port, and lets tini reap", async () => {
    assert.deepEqual(await run(["dockerd", "--host=unix:///run/dind/docker.sock", "--mtu=1460"]), [
      ...dockerd,
      "--host=unix:///run/dind/docker.sock",
      "--mtu=1460",
    ]);
    await assert.rejects(access(join(base, "openssl")), "keys were made for nobody");
  });

  it("removes the pid file that a killed daemon left, but only before dockerd", async () => {
    await run(["dockerd"]);
    assert.equal((await readFile(join(base, "find"), "utf8")).trim(), "/run /var/run -name docker*.pid -delete");
    await rm(join(base, "find"));
    await run(["sh", "-c", "true"]);
    await assert.rejects(access(join(base, "find")));
  });

  for (const given of [[], ["--debug"]]) {
    it(`opens an unauthenticated port where ${given.join(" ") || "nothing"} is said and no TLS is wanted`, async () => {
      const expected = [...dockerd, "--host=unix:///var/run/docker.sock", "--host=tcp://0.0.0.0:2375", ...given];
      assert.deepEqual(await run(given), expected);
      assert.deepEqual(await run(given, { DOCKER_TLS_CERTDIR: "" }), expected);
    });
  }

  it("takes the socket from DOCKER_HOST where that is one", async () => {
    assert.equal((await run([], { DOCKER_HOST: "unix:///run/mine.sock" }))[4], "--host=unix:///run/mine.sock");
    assert.equal((await run([], { DOCKER_HOST: "tcp://elsewhere:2375" }))[4], "--host=unix:///var/run/docker.sock");
  });

  it("makes keys and asks for TLS where DOCKER_TLS_CERTDIR is set, and keeps the keys for the next start", async () => {
    const env = { DOCKER_TLS_CERTDIR: certificates, DOCKER_TLS_SAN: "DNS:mine" };
    const expected = [
      ...dockerd,
      "--host=unix:///var/run/docker.sock",
      "--host=tcp://0.0.0.0:2376",
      "--tlsverify",
      "--tlscacert",
      `${certificates}/server/ca.pem`,
      "--tlscert",
      `${certificates}/server/cert.pem`,
      "--tlskey",
      `${certificates}/server/key.pem`,
      "--debug",
    ];
    assert.deepEqual(await run(["--debug"], env), expected);
    for (const path of ["ca/key.pem", "server/key.pem", "client/key.pem", "client/cert.pem", "client/ca.pem"]) {
      await access(join(certificates, path));
    }
    const asked = await readFile(join(base, "openssl"), "utf8");
    assert.match(asked, /subjectAltName = IP:10\.244\.1\.7,DNS:docker,DNS:localhost,DNS:build-pod,DNS:mine/);
    assert.equal(asked.match(/genrsa .*4096/g)?.length, 3);

    await rm(join(base, "openssl"));
    assert.deepEqual(await run(["--debug"], env), expected);
    assert.doesNotMatch(await readFile(join(base, "openssl"), "utf8"), /genrsa/);
  });

  it("leaves certificates alone that somebody else's authority made", async () => {
    await mkdir(join(certificates, "ca"), { recursive: true });
    await mkdir(join(certificates, "server"));
    await writeFile(join(certificates, "ca/cert.pem"), "theirs");
    await writeFile(join(certificates, "server/cert.pem"), "theirs");
    await writeFile(join(certificates, "server/key.pem"), "theirs");
    assert.ok((await run([], { DOCKER_TLS_CERTDIR: certificates })).includes("--tlsverify"));
    await assert.rejects(access(join(base, "openssl")));
  });

  it("gives anything else to docker-entrypoint.sh", async () => {
    assert.deepEqual(await run(["docker", "ps", "-a"]), ["docker-entrypoint.sh", "docker", "ps", "-a"]);
  });

  describe("chooses iptables", () => {
    const legacy = /^PATH=\/usr\/local\/sbin\/\.iptables-legacy:/;

    it("nft where that works", async () => {
      await run(["dockerd"]);
      assert.doesNotMatch(await chosenPath(), legacy);
    });

    it("legacy where nft does not work", async () => {
      await stub("iptables", "exit 1");
      await run(["dockerd"]);
      assert.match(await chosenPath(), legacy);
    });

    it("what DOCKER_IPTABLES_LEGACY says where it is set", async () => {
      await run(["dockerd"], { DOCKER_IPTABLES_LEGACY: "1" });
      assert.match(await chosenPath(), legacy);
      await stub("iptables", "exit 1");
      await run(["dockerd"], { DOCKER_IPTABLES_LEGACY: "" });
      assert.doesNotMatch(await chosenPath(), legacy);
    });
  });

  describe("docker-entrypoint.sh", () => {
    const ask = async (commandArguments: string[], env: NodeJS.ProcessEnv = {}) => {
      await stub("docker", `echo "docker $*"; echo "$DOCKER_HOST $DOCKER_CERT_PATH"`);
      const path = join(scripts, "docker-entrypoint.sh");
      const result = await runChild("/bin/sh", [path, ...commandArguments], { env: { PATH: bin, ...env } });
      assert.equal(result.code, 0, result.stderr);
      return result.stdout.trim().split("\n");
    };

    it("takes an unknown first word for one of the CLI's", async () => {
      assert.equal((await ask(["version"], { DOCKER_HOST: "unix:///x" }))[0], "docker version");
      assert.equal((await ask(["-v"], { DOCKER_HOST: "unix:///x" }))[0], "docker -v");
      assert.deepEqual(await ask(["sh", "-c", "echo $DOCKER_HOST"], { DOCKER_HOST: "unix:///x" }), ["unix:///x"]);
    });

    it("uses TLS where a client's keys are there", async function () {
      // A machine with a daemon of its own has the socket that comes first.
      if (
        await access("/var/run/docker.sock").then(
          () => true,
          () => false,
        )
      )
        return this.skip();
      await mkdir(join(certificates, "client"), { recursive: true });
      assert.equal((await ask(["ps"], { DOCKER_TLS_CERTDIR: certificates }))[1], "tcp://docker:2375");
      await writeFile(join(certificates, "client/ca.pem"), "x");
      const [, host] = await ask(["ps"], { DOCKER_TLS_CERTDIR: certificates });
      assert.equal(host, `tcp://docker:2376 ${certificates}/client`);
    });
  });
});
