import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compareHostState, readHostState } from "../../lab/namespaces";
import type { RealNodeResults } from "../../lab/real-run/results";
import { needsRealNode } from "../support/real-node";
import { until } from "../support/until";

const ROOT = join(__dirname, "..", "..");
const RESULTS = join(ROOT, "out", "real-node.json");

class Lab {
  text = "";
  readonly ended: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, ["--import", "tsx", "lab/main.ts", "--real-node", ...args], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TSX_DISABLE_CACHE: "1" },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk: string) => (this.text += chunk));
    }
    this.ended = once(this.child, "exit").then(([code]) => code as number | null);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

describe("npm run lab -- --real-node", function () {
  this.timeout(300_000);

  it("cannot be kept running, for nothing outside could reach it", async () => {
    const lab = new Lab("--keep");
    assert.equal(await lab.ended, 2);
    assert.match(lab.text, /--keep cannot be used with --real-node/);
  });

  describe("where there is Linux and root", () => {
    before("have a machine for it", function () {
      needsRealNode(this);
    });

    it("leaves nothing behind after Ctrl-C while pulumi works", async () => {
      const before = readHostState();
      const lab = new Lab();
      await until("pulumi up", () => lab.text.includes("pulumi up (dev)"), 120);
      lab.kill("SIGINT");
      assert.equal(await lab.ended, 130, lab.text);
      assert.deepEqual(compareHostState(before, readHostState()), []);
    });

    it("runs real builds from webhook to exit code, and ends dind with the agent", async () => {
      rmSync(RESULTS, { force: true });
      const lab = new Lab("--builds", "3");
      const code = await lab.ended;
      const results = JSON.parse(readFileSync(RESULTS, "utf8")) as RealNodeResults;
      assert.deepEqual(results.failures, [], lab.text);
      assert.equal(code, 0);
      assert.deepEqual(
        results.builds.map(({ queue, sidecar, exitStatus, podPhase }) => [queue, sidecar, exitStatus, podPhase]),
        [
          ["default", "native", "0", "Succeeded"],
          ["docker", "shared-volume", "0", "Succeeded"],
          ["quick", "native", "3", "Succeeded"],
        ],
      );
      for (const { agentEndToDindEndMs, agentEndToPodTerminalMs } of results.builds) {
        assert.ok((agentEndToDindEndMs ?? Infinity) < 5_000, `dind ended ${agentEndToDindEndMs} ms after the agent`);
        assert.ok((agentEndToPodTerminalMs ?? Infinity) < 10_000, `the pod ended after ${agentEndToPodTerminalMs} ms`);
      }
      // Two of the kubelet's waits, the dispatcher's 30 s and its looks; usually about a minute.
      const { queue, scheduledToGivenUpSeconds = Infinity } = results.givenUp ?? {};
      assert.equal(queue, "no-engine");
      assert.ok(scheduledToGivenUpSeconds < 150, `given up after ${scheduledToGivenUpSeconds} s`);
      assert.equal(results.dispatchers.length, 2);
      assert.deepEqual(results.leftovers, []);
      assert.ok(results.parts.some(({ name, kind }) => name === "kubelet" && kind === "real"));
      assert.ok(!results.parts.some(({ name }) => name === "dispatcher's container"), "it is real here");
    });
  });
});
