import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ENGINE_PROBE,
  LIFELINE_PATH,
  nativeDindScript,
  SHARED_VOLUME_AGENT_SCRIPT,
  sharedVolumeDindScript,
} from "../../components/sidecar-scripts";
import { until } from "../support/until";

/**
 * The scripts of both modes as processes of this machine, with stubs for what they start. What only a container has
 * (a first process, a read-only mount, the kubelet) is in the conformance suite.
 */
const STUBS = {
  "dockerd-entrypoint.sh": `
echo "$@" >"$STATE/engine-arguments"
if [ -n "\${ENGINE_DIES:-}" ]; then sleep "$ENGINE_DIES"; exit 3; fi
sleep "\${ENGINE_READY:-0.2}"
touch "$STATE/engine-ready"
[ -n "\${ENGINE_CRASHES:-}" ] && { sleep "$ENGINE_CRASHES"; exit 2; }
while :; do sleep 0.05; done`,
  docker: `
[ "$1" = ps ] && { printf %s "\${INSIDE:-}"; exit 0; }
[ "$1" = stop ] && { echo "$@" >"$STATE/stopped"; exec sleep "\${STOP_SECONDS:-0.2}"; }
[ -e "$STATE/engine-ready" ]`,
  "buildkite-agent-entrypoint": `
[ -e "$STATE/engine-ready" ] || touch "$STATE/too-early"
echo "$@" >"$STATE/agent-arguments"
[ -n "\${DAEMON:-}" ] && { sleep 1.5 & }
exec sleep "\${AGENT_SECONDS:-0.4}"`,
};

class Pair {
  private readonly children: ChildProcess[] = [];

  private constructor(
    private readonly shell: string,
    private readonly folder: string,
    private readonly env: Record<string, string>,
  ) {}

  static async create(shell: string, env: Record<string, string>): Promise<Pair> {
    const folder = await mkdtemp(join(tmpdir(), "sidecar-scripts-"));
    await mkdir(join(folder, "lifeline"));
    await mkdir(join(folder, "bin"));
    await writeFile(join(folder, "mtu"), "1460\n");
    for (const [name, text] of Object.entries(STUBS)) {
      await writeFile(join(folder, "bin", name), `#!/bin/sh${text}\n`, { mode: 0o755 });
    }
    return new Pair(shell, folder, env);
  }

  native(): Process {
    return this.dindWith(nativeDindScript("engine", 5));
  }

  /** @param agentStart how long it waits for the agent, in seconds. */
  dind(agentStart = 2): Process {
    const script = sharedVolumeDindScript("engine", 5)
      .replace(/limit 120 /, "limit 2 ")
      .replace(/limit 600 /, `limit ${agentStart} `);
    return this.dindWith(script);
  }

  probe(): Process {
    return this.run(ENGINE_PROBE, []);
  }

  agent(): Process {
    return this.run(SHARED_VOLUME_AGENT_SCRIPT.replace("timeout 130 ", "timeout 4 "), ["start"]);
  }

  has(name: string): boolean {
    return existsSync(join(this.folder, name));
  }

  async text(name: string): Promise<string> {
    return (await readFile(join(this.folder, name), "utf8")).trim();
  }

  async remove(): Promise<void> {
    for (const { pid } of this.children) {
      try {
        process.kill(-(pid ?? 0), "SIGKILL");
      } catch {
        // All of them have ended by themselves.
      }
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private dindWith(script: string): Process {
    const own = script.replace("/sys/class/net/eth0/mtu", join(this.folder, "mtu"));
    return this.run(own, ["dockerd", "--host=unix:///run/dind/docker.sock"]);
  }

  private run(script: string, commandArguments: string[]): Process {
    const [command = "", ...words] = this.shell.split(" ");
    const text = script.replaceAll(LIFELINE_PATH, join(this.folder, "lifeline"));
    const child = spawn(command, [...words, "-euc", text, "sh", ...commandArguments], {
      // A process group of its own: what a container's end would take with it is ended by it.
      detached: true,
      env: {
        PATH: [join(this.folder, "bin"), process.env["PATH"] ?? ""].join(delimiter),
        STATE: this.folder,
        ...this.env,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.children.push(child);
    return new Process(child);
  }
}

class Process {
  readonly ended: Promise<{ code: number | null; at: number }>;
  errors = "";

  constructor(private readonly child: ChildProcess) {
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    this.ended = once(child, "exit").then(([code]) => ({ code: code as number | null, at: performance.now() }));
  }

  /** Waits for the words: what a process wrote last is often read only after its end. */
  async says(pattern: RegExp): Promise<void> {
    await until(`${pattern} in what it says`, () => pattern.test(this.errors), 5);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

const shells = ["/bin/dash", "/bin/bash", "/bin/busybox sh", "/usr/bin/busybox sh"].filter((shell) =>
  existsSync(shell.split(" ")[0] ?? ""),
);

for (const shell of shells) {
  const pairs: Pair[] = [];
  const pair = async (env: Record<string, string> = {}) => {
    const made = await Pair.create(shell, env);
    pairs.push(made);
    return made;
  };
  const removeAll = () => Promise.all(pairs.splice(0).map((made) => made.remove()));

  describe(`the script of native, in ${shell}`, function () {
    this.timeout(20_000);
    afterEach(removeAll);

    it("leaves at once on SIGTERM when nothing runs inside", async () => {
      const dind = (await pair()).native();
      await until("dockerd answers", () => pairs[0]?.has("engine-ready") === true);
      const began = performance.now();
      dind.kill("SIGTERM");
      const { code, at } = await dind.ended;
      assert.equal(code, 0, dind.errors);
      assert.ok(at - began < 300, `${at - began} ms`);
    });

    it("stops the containers that still run inside before it leaves", async () => {
      const one = await pair({ INSIDE: "4f1c\n9a2b" });
      const dind = one.native();
      await until("dockerd answers", () => one.has("engine-ready"));
      dind.kill("SIGTERM");
      assert.equal((await dind.ended).code, 0);
      assert.equal(await one.text("stopped"), "stop -t 5 4f1c 9a2b");
    });

    it("leaves in time when they cannot be stopped", async () => {
      const one = await pair({ INSIDE: "4f1c", STOP_SECONDS: "60" });
      const dind = one.native();
      await until("dockerd answers", () => one.has("engine-ready"));
      const began = performance.now();
      dind.kill("SIGTERM");
      const { code, at } = await dind.ended;
      assert.equal(code, 0);
      assert.ok(at - began < 8_000, `${at - began} ms`);
    });

    it("leaves a dockerd that does not answer yet", async () => {
      const one = await pair({ ENGINE_READY: "0.6" });
      const dind = one.native();
      await until("dockerd starts", () => one.has("engine-arguments"));
      dind.kill("SIGTERM");
      assert.equal((await dind.ended).code, 0);
    });

    it("ends with dockerd's exit code when that dies, so that the kubelet sees it", async () => {
      const dind = (await pair({ ENGINE_CRASHES: "0.1" })).native();
      assert.equal((await dind.ended).code, 2);
    });

    it("is probed by a command that ends as soon as dockerd answers", async () => {
      const one = await pair({ ENGINE_READY: "0.5" });
      one.native();
      assert.equal((await one.probe().ended).code, 0);
      assert.equal(one.has("engine-ready"), true);
    });
  });

  describe(`the scripts of shared-volume, in ${shell}`, function () {
    this.timeout(20_000);
    afterEach(removeAll);

    it("start the agent once dockerd answers, and end dind in the moment the agent ends", async () => {
      const both = await pair({ ENGINE_READY: "0.5" });
      const dind = both.dind();
      const agent = both.agent();
      const [agentEnd, dindEnd] = await Promise.all([agent.ended, dind.ended]);
      assert.deepEqual([agentEnd.code, dindEnd.code], [0, 0], dind.errors + agent.errors);
      assert.equal(both.has("too-early"), false, "the agent started before dockerd answered");
      assert.ok(dindEnd.at - agentEnd.at < 300, `${dindEnd.at - agentEnd.at} ms`);
      assert.equal(await both.text("agent-arguments"), "start");
      assert.equal(
        await both.text("engine-arguments"),
        "dockerd --host=unix:///run/dind/docker.sock --mtu=1460 --default-network-opt=bridge=com.docker.network.driver.mtu=1460",
      );
      assert.equal(dind.errors + agent.errors, "", "nothing is logged on a good day");
    });

    it("start in either order", async () => {
      const both = await pair();
      const agent = both.agent();
      await sleep(300);
      const dind = both.dind();
      assert.deepEqual([(await agent.ended).code, (await dind.ended).code], [0, 0]);
    });

    it("count dockerd's time from the agent's start: its image may take longer to pull", async () => {
      const both = await pair({ ENGINE_READY: "3" });
      const dind = both.dind(10);
      await sleep(2_500);
      const agent = both.agent();
      assert.deepEqual([(await agent.ended).code, (await dind.ended).code], [0, 0], dind.errors + agent.errors);
    });

    it("leave it to dind to give up first and say why, after such a wait, too", async () => {
      const both = await pair({ ENGINE_READY: "60" });
      const dind = both.dind(10);
      await sleep(2_500);
      const agent = both.agent();
      assert.deepEqual([(await agent.ended).code, (await dind.ended).code], [1, 1]);
      await dind.says(/dockerd did not answer within 2 s/);
    });

    it("end dind just so when the agent is killed outright", async () => {
      const both = await pair({ AGENT_SECONDS: "60" });
      const dind = both.dind();
      const agent = both.agent();
      await until("the agent runs", () => both.has("agent-arguments"));
      agent.kill("SIGKILL");
      const killed = await agent.ended;
      const { code, at } = await dind.ended;
      assert.equal(code, 0);
      assert.ok(at - killed.at < 300, `${at - killed.at} ms`);
    });

    it("stop the containers that still run inside before dind leaves", async () => {
      const both = await pair({ INSIDE: "4f1c" });
      const dind = both.dind();
      await both.agent().ended;
      assert.equal((await dind.ended).code, 0);
      assert.equal(await both.text("stopped"), "stop -t 5 4f1c");
    });

    it("fail both, with the reason, when dockerd never answers", async () => {
      const both = await pair({ ENGINE_READY: "60" });
      const dind = both.dind();
      const agent = both.agent();
      assert.deepEqual([(await dind.ended).code, (await agent.ended).code], [1, 1]);
      await dind.says(/dind: dockerd did not answer within 2 s/);
      await agent.says(/agent: dockerd did not become ready, so no job was started/);
      assert.equal(both.has("agent-arguments"), false, "no job without an engine");
    });

    it("fail both at once when dockerd dies at its start", async () => {
      const both = await pair({ ENGINE_DIES: "0.1" });
      const dind = both.dind();
      const agent = both.agent();
      const began = performance.now();
      assert.deepEqual([(await dind.ended).code, (await agent.ended).code], [1, 1]);
      assert.ok(performance.now() - began < 1_500);
      await dind.says(/dockerd ended before/);
    });

    it("fail dind when dockerd dies under a running agent", async () => {
      const both = await pair({ ENGINE_CRASHES: "0.2", AGENT_SECONDS: "4" });
      const dind = both.dind();
      const agent = both.agent();
      assert.equal((await dind.ended).code, 1);
      await dind.says(/dockerd ended while the agent was running/);
      agent.kill("SIGKILL");
    });

    it("end dind when no agent ever starts", async () => {
      const both = await pair();
      const dind = both.dind();
      assert.equal((await dind.ended).code, 1);
      await dind.says(/the agent did not start within 2 s/);
    });

    it("fail the agent when there is no dind", async () => {
      const both = await pair();
      const agent = both.agent();
      assert.equal((await agent.ended).code, 1);
      await agent.says(/dockerd did not become ready/);
    });

    it("end dind at once when the agent is killed while it waits", async () => {
      const both = await pair({ ENGINE_READY: "60" });
      const dind = both.dind();
      const agent = both.agent();
      await until("both FIFOs", () => both.has("lifeline/agent"));
      await sleep(300);
      agent.kill("SIGTERM");
      assert.equal((await agent.ended).code, 1);
      assert.equal((await dind.ended).code, 0);
      assert.equal(both.has("agent-arguments"), false);
    });

    it("keep dind while a process of the job still holds the agent's descriptor", async () => {
      // In a pod the container's end takes such a process along; here it shows that the FIFO is what dind watches.
      const both = await pair({ DAEMON: "yes" });
      const dind = both.dind();
      const agentEnd = await both.agent().ended;
      const dindEnd = await dind.ended;
      assert.ok(dindEnd.at - agentEnd.at > 700, `${dindEnd.at - agentEnd.at} ms`);
    });
  });
}
