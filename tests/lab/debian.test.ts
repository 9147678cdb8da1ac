import assert from "node:assert/strict";
import { access, chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { getPackages, type DebianPackages } from "../../lab/debian";
import { packageSets } from "../../lab/debian/sets";
import { runChild } from "../../lab/parts/child";
import { until } from "../support/until";

/** Against an apt of ours: what it is asked, what is kept, and what is left when it fails. */
describe("the lab's Debian packages", function () {
  this.timeout(30_000);

  let base: string;
  let bin: string;
  let env: NodeJS.ProcessEnv;
  let lines: string[];

  before(function () {
    if (process.platform !== "linux") this.skip();
  });

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "debian-test-"));
    bin = join(base, "bin");
    await mkdir(bin);
    for (const tool of ["sh", "tar", "cat", "rm", "sleep", "touch"]) await linkTool(tool);
    env = { PATH: bin, HOME: base, BUILDKITE_LAB_CACHE: join(base, "cache") };
    lines = [];

    // What every fake archive unpacks to: the tools that must run after it.
    const tree = join(base, "tree");
    await mkdir(join(tree, "sbin"), { recursive: true });
    await mkdir(join(tree, "usr/sbin"), { recursive: true });
    await mkdir(join(tree, "usr/lib/any-linux-gnu"), { recursive: true });
    await mkdir(join(tree, "usr/share/doc/runc"), { recursive: true });
    await writeFile(join(tree, "usr/share/doc/runc/changelog"), "");
    await script(join(tree, "usr/sbin/runc"), "echo runc version 1");
    await script(join(tree, "sbin/conntrack"), "echo conntrack");
    await script(join(tree, "usr/sbin/xtables-nft-multi"), 'echo "$LD_LIBRARY_PATH|$XTABLES_LIBDIR|$*"');
    await runChild("tar", ["-cf", join(base, "tree.tar"), "-C", tree, "."]);

    await script(join(bin, "dpkg"), "echo amd64");
    await script(join(bin, "dpkg-deb"), `case "$1" in --fsys-tarfile) cat "${base}/tree.tar" ;; *) echo 1 ;; esac`);
    await apt();
  });

  afterEach(async () => {
    await rm(base, { recursive: true, force: true });
  });

  async function linkTool(tool: string): Promise<void> {
    for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
      const there = await exists(join(folder, tool));
      if (there) return symlink(join(folder, tool), join(bin, tool));
    }
    throw new Error(`no ${tool} on PATH`);
  }

  async function script(path: string, text: string): Promise<void> {
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o755);
  }

  const exists = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );

  /** An apt-get whose every word is kept; each of its three tasks may be replaced. */
  const apt = (tasks: { update?: string; install?: string; download?: string } = {}) =>
    script(
      join(bin, "apt-get"),
      `[ "$1" = --version ] && exit 0
echo "$*" >> "${base}/asked"
shift 2; configuration=$1; shift; task=$1; shift
case $task in
  update) ${tasks.update ?? `cat "$configuration" > "${base}/configuration"`} ;;
  install) ${
    tasks.install ??
    `for one in "$@"; do case $one in -*) ;; *) echo "'http://x/$one.deb' \${one}_1%3a2.0_amd64.deb 1000000 SHA256:x" ;; esac; done
    echo "'http://x/perl.deb' perl_5_amd64.deb 9000000 SHA256:x"`
  } ;;
  download) ${tasks.download ?? `for one in "$@"; do touch "\${one%%=*}_1%3a2.0_amd64.deb"; done`} ;;
esac`,
    );

  const get = (signal?: AbortSignal): Promise<DebianPackages> =>
    getPackages({ print: (line) => lines.push(line), env, signal });
  const folders = () => readdir(join(base, "cache/debian")).catch(() => []);

  it("are resolved, downloaded in exactly those versions and unpacked, once", async () => {
    const packages = await get();
    assert.equal(packages.versions["runc"], "1:2.0");
    assert.deepEqual(
      packages.archives("host").map(({ name }) => name),
      packageSets.host,
    );
    for (const { path } of packages.archives("agent")) await access(path);
    const asked = await readFile(join(base, "asked"), "utf8");
    const download = asked.split("\n").find((line) => line.includes(" download "));
    assert.match(download ?? "", / runc=1:2\.0 /);
    assert.doesNotMatch(download ?? "", /perl/);
    assert.ok(
      lines.some((line) => /downloading \d+ packages \(\d+ MB\)/.test(line)),
      lines.join("\n"),
    );

    const again = await get();
    assert.deepEqual(again.versions, packages.versions);
    assert.equal(await readFile(join(base, "asked"), "utf8"), asked);
    assert.equal(lines.at(-1), "packages: all are there");
  });

  it("leave apt's own folders of this machine alone", async () => {
    await get();
    const configuration = await readFile(join(base, "configuration"), "utf8");
    const folder = /^Dir::State "(.+)";$/m.exec(configuration)?.[1] ?? assert.fail(configuration);
    assert.ok(folder.startsWith(join(base, "cache/debian")));
    for (const setting of ["Dir::State::lists", "Dir::State::status", "Dir::Cache", "Dir::Cache::archives"]) {
      assert.ok(configuration.includes(`\n${setting} "${folder}`), setting);
    }
    assert.match(configuration, /^#clear APT::Update::Post-Invoke;$/m);
    assert.equal(await exists(folder), false, "apt's work folder stays behind");
  });

  it("are unpacked through the links of a merged usr, without what nobody reads", async () => {
    const { root } = await get();
    await access(join(root, "usr/sbin/conntrack"));
    await access(join(root, "sbin/conntrack"));
    assert.equal(await exists(join(root, "usr/share/doc/runc/changelog")), false);
  });

  it("have tools that run with their own libraries, wherever the cache lies", async () => {
    const { tools } = await get();
    for (const [name, applet] of [
      ["iptables", "iptables"],
      ["ip6tables-restore", "ip6tables-restore"],
    ] as const) {
      const answer = await runChild(join(tools, name), ["-t", "nat"], { env });
      const [libraries, extensions, words] = answer.stdout.trim().split("|");
      assert.equal(words, `${applet} -t nat`);
      assert.equal(await exists(join(libraries ?? "", "../../sbin/runc")), true, libraries);
      assert.equal(extensions, `${libraries}/xtables`);
    }
  });

  it("of two runs at once are the first one's", async () => {
    const [one, two] = await Promise.all([get(), get()]);
    assert.equal(one.root, two.root);
    assert.equal((await folders()).length, 1);
  });

  it("are got anew where an archive was lost", async () => {
    const packages = await get();
    await rm(packages.archives("dind")[0]?.path ?? "");
    await get();
    await access(packages.archives("dind")[0]?.path ?? "");
    assert.equal((await folders()).length, 1);
  });

  it("say what apt said, now and before, where no source can be reached, and leave nothing", async () => {
    await apt({
      update: `echo "W: Failed to fetch http://deb.example/InRelease" >&2`,
      install: `echo "E: Unable to locate package runc" >&2; exit 100`,
    });
    await assert.rejects(get(), (error: Error) => {
      assert.match(error.message, /E: Unable to locate package runc/);
      assert.match(error.message, /apt-get update had said:\n {2}W: Failed to fetch http:\/\/deb\.example/);
      assert.match(error.message, /package sources \(\/etc\/apt\): let it reach them/);
      return true;
    });
    assert.deepEqual(await folders(), []);
  });

  it("leave nothing of a download that fails", async () => {
    await apt({ download: `touch runc_1%3a2.0_amd64.deb; echo "E: Hash Sum mismatch" >&2; exit 100` });
    await assert.rejects(get(), /Hash Sum mismatch/);
    assert.deepEqual(await folders(), []);
  });

  it("are refused where the tools do not run on this machine", async () => {
    await rm(join(base, "tree/usr/sbin/runc"));
    await script(join(base, "tree/usr/sbin/runc"), "echo libseccomp.so.2: not found >&2; exit 127");
    await runChild("tar", ["-cf", join(base, "tree.tar"), "-C", join(base, "tree"), "."]);
    await assert.rejects(get(), /runc does not run on this machine: libseccomp\.so\.2: not found/);
    assert.deepEqual(await folders(), []);
  });

  it("say what is needed where there is no apt", async () => {
    await rm(join(bin, "apt-get"));
    await assert.rejects(get(), /here apt-get is missing: use a machine with apt/);
    assert.deepEqual(await folders(), []);
  });

  it("leave neither a process nor a folder when they are called off", async () => {
    await apt({ download: `echo $$ > "${base}/pid"; sleep 60` });
    const abort = new AbortController();
    const packages = get(abort.signal);
    const pid = await until("the download runs", () =>
      readFile(join(base, "pid"), "utf8").then(
        (text) => Number(text) || undefined,
        () => undefined,
      ),
    );
    abort.abort(new Error("called off"));
    await assert.rejects(packages, /called off/);
    assert.deepEqual(await folders(), []);
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });
});
