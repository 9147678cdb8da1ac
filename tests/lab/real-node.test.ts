import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { identify } from "../../lab/control-plane/processes";
import { type DebianPackages, getPackages } from "../../lab/debian";
import { buildImages, type Image } from "../../lab/images";
import { compareHostState, type HostState, newRunId, readHostState, runInNamespaces } from "../../lab/namespaces";
import { getParts, partNames, type Part, type PartName } from "../../lab/parts";
import { needsRealNode } from "../support/real-node";
import { until } from "../support/until";
import type { Observations } from "./fixtures/real-node-pods";

/** What the program inside is started with. */
export interface RealNodeSetting {
  parts: Record<PartName, Part>;
  packages: Pick<DebianPackages, "runc" | "cni" | "tools">;
  images: Image[];
}

const program = join(__dirname, "fixtures", "real-node-inside.ts");
const supervisor = join(__dirname, "fixtures", "supervisor.ts");
const command = [process.execPath, "--import", "tsx"] as const;

describe("a real node", function () {
  this.timeout(120_000);
  let parent = "";
  let machine: HostState;
  let env: NodeJS.ProcessEnv;
  let code: number;
  let readyMilliseconds = 0;
  const lines: string[] = [];
  let seen: Partial<Observations> = {};
  const killedRun = { pid: 0, runId: "" };

  before("run pods on two nodes, beside another lab that is killed", async function () {
    this.timeout(40 * 60_000);
    needsRealNode(this);
    const print = console.log;
    const parts = await getParts(partNames, { print });
    const packages = await getPackages({ print });
    const { base, pause } = await buildImages({ parts, packages, print });
    parent = await mkdtemp(join(tmpdir(), "buildkite-lab-real-node-"));
    machine = readHostState();
    const setting: RealNodeSetting = { parts, packages, images: [base, pause] };
    env = { ...process.env, REAL_NODE_SETTING: JSON.stringify(setting) };
    await Promise.all([runPods(), killSupervisor()]);
  });

  after(async () => {
    if (parent !== "") await rm(parent, { recursive: true, force: true });
  });

  async function runPods(): Promise<void> {
    const runId = await newRunId();
    code = await runInNamespaces({
      ...{ argv: [...command, program], env, runId, workDir: join(parent, "pods", `run-${runId}`), stdio: "pipe" },
      print: (line) => lines.push(line),
      onStarted: (child) => {
        if (child.stdout === null || child.stderr === null) return;
        createInterface({ input: child.stderr }).on("line", (line) => lines.push(line));
        createInterface({ input: child.stdout }).on("line", (line) => {
          const said = JSON.parse(line) as Partial<Observations> & { readyMilliseconds?: number };
          if (said.readyMilliseconds !== undefined) readyMilliseconds = said.readyMilliseconds;
          if ("line" in said || "error" in said) lines.push(line);
          else seen = { ...seen, ...said };
        });
      },
    });
  }

  /** The other lab has the same names and addresses inside; its supervisor is killed once its nodes are there. */
  async function killSupervisor(): Promise<void> {
    const child = spawn(
      command[0],
      [...command.slice(1), supervisor, join(parent, "killed"), ...command, program, "hold"],
      {
        stdio: ["ignore", "pipe", "inherit"],
        env,
      },
    );
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes('"runId"')) Object.assign(killedRun, JSON.parse(line));
      if (line === "ready") break;
    }
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  it("becomes Ready, beside a second one", () => {
    assert.equal(code, 0, lines.join("\n"));
    // Usually 7 s for control plane and both nodes; this machine may be busy.
    assert.ok(readyMilliseconds > 0 && readyMilliseconds < 60_000, `after ${readyMilliseconds} ms`);
  });

  it("runs an unprivileged pod and tells its exit code, its log, and its exact times", () => {
    const { phase, log, times, status } = seen.plain ?? {};
    assert.equal(phase, "Failed");
    assert.match(log ?? "", /^1000\nSeccomp:\t2\n.*Read-only file system\nok\n$/);
    const terminated = status?.state.terminated;
    assert.equal(terminated?.exitCode, 3);
    assert.equal(times?.exitCode, 3);
    assert.equal(times.instance, 1);
    const { startedAt = 0, endedAt = 0 } = times;
    assert.ok(endedAt - startedAt > 1200 && endedAt - startedAt < 5000, `ran for ${endedAt - startedAt} ms`);
    // The kubelet's times are whole seconds of the same moments.
    assert.ok(Math.abs(startedAt - Date.parse(terminated.startedAt)) < 1100);
    assert.ok(Math.abs(endedAt - Date.parse(terminated.finishedAt)) < 1100);
    assert.notEqual(startedAt % 1, 0);
  });

  it("lets pods reach the machine, a pod of another node, a Service, and the API server", () => {
    assert.equal(seen.network?.log, "from the machine\nfrom a pod\nfrom a pod\nthe API server\n");
  });

  it("starts a native sidecar before the main container and ends it afterwards", () => {
    const { phase, sidecar, main } = seen.sidecar ?? {};
    assert.equal(phase, "Succeeded");
    assert.ok((sidecar?.startedAt ?? 0) < (main?.startedAt ?? 0), "the sidecar starts first");
    assert.ok((sidecar?.endedAt ?? 0) > (main?.endedAt ?? Infinity) + 400, "the sidecar ends last, by SIGTERM");
    assert.equal(sidecar?.exitCode, 5);
    assert.equal(main?.exitCode, 0);
  });

  it("sees that the kernel killed a container for its memory", () => {
    assert.equal(seen.oom?.reason, "OOMKilled");
    assert.equal(seen.oom.times?.oomKilled, true);
    assert.equal(seen.oom.times.exitCode, 137);
  });

  it("kills the first process of a container, all of them at once, or one by its name", () => {
    assert.deepEqual(seen.first, { pids: 2, exitCode: 137, log: "up\n" });
    assert.deepEqual(seen.all, { pids: 2, exitCode: 137, log: "up\n" });
    assert.deepEqual(seen.named, { pids: 2, exitCode: 6, log: "up\nheard 137\n" });
  });

  it("restarts its kubelet under running pods", () => {
    const { before, after, restartCount, newPod } = seen.restart ?? {};
    assert.deepEqual(after, before);
    assert.equal(restartCount, 0);
    assert.equal(newPod, "Succeeded");
  });

  it("gives new pods the MTU it is told", () => {
    assert.deepEqual(seen.mtu, { before: "1460", after: "1300" });
  });

  it("stops whole while a pod runs on it", () => {
    assert.deepEqual(seen.stopped, { processes: [], cgroups: [], links: [], mounts: [] });
  });

  it("ends with a supervisor that is killed, and the next start clears away after it", async () => {
    assert.notEqual(killedRun.pid, 0);
    await until("the end of the killed lab", async () => (await identify(killedRun.pid)) === undefined, 10);
    const runId = await newRunId();
    const workDir = join(parent, "killed", `run-${runId}`);
    const said: string[] = [];
    const next = await runInNamespaces({ argv: ["true"], runId, workDir, print: (line) => said.push(line) });
    assert.equal(next, 0);
    assert.deepEqual(await readdir(join(parent, "killed")), []);
  });

  it("leaves nothing on the machine", async () => {
    assert.deepEqual(compareHostState(machine, readHostState()), []);
    assert.deepEqual(await readdir(join(parent, "pods")), []);
  });
});
