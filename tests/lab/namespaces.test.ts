import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { identify } from "../../lab/control-plane/processes";
import {
  compareHostState,
  type HostState,
  newRunId,
  readHostState,
  runCgroup,
  runInNamespaces,
} from "../../lab/namespaces";
import { cgroupFolders } from "../../lab/namespaces/cgroups";
import { needsRealNode } from "../support/real-node";

const fixture = join(__dirname, "fixtures", "supervisor.ts");
/** Leaves whatever can be left: a link, a mount, a file, a process in cgroups of the run, and changes a kernel setting. */
const untidy = `
cgroup=$(echo "$BUILDKITE_LAB_NAMESPACES" | sed 's/.*"cgroup":"\\([^"]*\\)".*/\\1/')
ip link add left0 type bridge
mkdir -p "$TMPDIR/mounted" && mount -t tmpfs left "$TMPDIR/mounted"
echo 1 > /proc/sys/vm/overcommit_memory
sleep 1000 &
for hierarchy in /sys/fs/cgroup/*/; do
  mkdir -p "$hierarchy$cgroup/deep" 2> /dev/null
  [ -e "$hierarchy/cpuset.cpus" ] || echo $! > "$hierarchy$cgroup/deep/cgroup.procs"
done
echo ready
`;

interface Supervisor {
  process: ChildProcess;
  pid: number;
  runId: string;
}

describe("namespaces of a lab's own", function () {
  this.timeout(30_000);
  let parent = "";
  let machine: HostState;
  const left = () => compareHostState(machine, readHostState());

  before("look at the machine", async function () {
    needsRealNode(this);
    parent = await mkdtemp(join(tmpdir(), "buildkite-lab-namespaces-"));
    machine = readHostState();
  });

  after(async () => {
    if (parent !== "") await rm(parent, { recursive: true, force: true });
  });

  const run = async (script: string, more: Partial<Parameters<typeof runInNamespaces>[0]> = {}) => {
    const runId = await newRunId();
    const workDir = join(parent, `run-${runId}`);
    return runInNamespaces({ argv: ["sh", "-c", script], runId, workDir, print: () => undefined, ...more });
  };

  /** A supervisor of its own process whose program has said `ready`. */
  const supervise = async (script: string): Promise<Supervisor> => {
    const child = spawn(process.execPath, ["--import", "tsx", fixture, parent, "sh", "-c", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let told: { pid: number; runId: string } | undefined;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith("{")) told = JSON.parse(line) as { pid: number; runId: string };
      if (line === "ready") break;
    }
    assert.ok(told !== undefined, "the supervisor never got ready");
    return { process: child, ...told };
  };

  it("leaves nothing of a program that tidies nothing up, and passes its exit code on", async () => {
    assert.equal(await run(`${untidy} exit 7`, { stdio: "ignore" }), 7);
    assert.deepEqual(left(), []);
    assert.deepEqual(await readdir(parent), []);
  });

  it("shows the program only what it made itself", async () => {
    const links = "[ \"$(ip -o link | cut -d: -f2 | tr -d ' ')\" = lo ]";
    const processes = '[ "$(ls /proc | grep -c "^[0-9]*$")" -lt 10 ]';
    assert.equal(await run(`${links} && ${processes} && touch /var/lib/left /run/left`), 0);
    assert.deepEqual(left(), []);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`tells the program once to stop when the supervisor gets ${signal}, and waits for it`, async () => {
      const supervisor = await supervise(
        `count=0; trap 'count=$((count + 1))' TERM; ${untidy} while [ $count = 0 ]; do sleep 0.05; done; sleep 0.3; exit $((40 + count))`,
      );
      const exit = once(supervisor.process, "exit");
      supervisor.process.kill(signal);
      assert.deepEqual(await exit, [41, null]);
      assert.deepEqual(left(), []);
      assert.deepEqual(await readdir(parent), []);
    });
  }

  it("kills a program that does not stop", async () => {
    const abort = new AbortController();
    const lines: string[] = [];
    const running = run(`trap '' TERM; ${untidy} sleep 1000`, {
      ...{ signal: abort.signal, stopMilliseconds: 200, stdio: "pipe", print: (line) => lines.push(line) },
      onStarted: (child) =>
        child.stdout?.once("data", () => {
          abort.abort();
        }),
    });
    assert.equal(await running, 137);
    assert.match(lines.join("\n"), /not stopped after 0.2 s/);
    assert.deepEqual(left(), []);
  });

  it("ends with a supervisor that is killed, and the next start clears away after it", async () => {
    const supervisor = await supervise(`trap '' TERM; ${untidy} sleep 1000`);
    const exit = once(supervisor.process, "exit");
    supervisor.process.kill("SIGKILL");
    await exit;
    for (let round = 0; (await identify(supervisor.pid)) !== undefined; round++) {
      assert.ok(round < 100, "the namespaces outlive their supervisor by 5 s");
      await sleep(50);
    }
    // Otherwise there would be nothing to clear away below.
    assert.notDeepEqual(await cgroupFolders(runCgroup(supervisor.runId)), []);
    assert.deepEqual(await readdir(parent), [`run-${supervisor.runId}`]);

    const lines: string[] = [];
    assert.equal(await run("exit 0", { print: (line) => lines.push(line) }), 0);
    assert.match(lines.join("\n"), /cleared away after 1 dead run/);
    assert.deepEqual(await readdir(parent), []);
    assert.deepEqual(left(), []);
  });

  it("clears away even where only cgroup folders tell of a dead run, and leaves living runs alone", async () => {
    const living = await supervise(`${untidy} sleep 1000`);
    const dead = await supervise(`${untidy} sleep 1000`);
    const exits = [once(dead.process, "exit")];
    dead.process.kill("SIGKILL");
    await exits[0];
    await rm(join(parent, `run-${dead.runId}`), { recursive: true, force: true, maxRetries: 20 });

    await run("exit 0");
    assert.deepEqual(await cgroupFolders(runCgroup(dead.runId)), []);
    assert.notDeepEqual(await cgroupFolders(runCgroup(living.runId)), []);
    assert.ok((await identify(living.pid)) !== undefined, "a living run was ended");
    const exit = once(living.process, "exit");
    living.process.kill("SIGTERM");
    await exit;
    assert.deepEqual(left(), []);
  });
});
