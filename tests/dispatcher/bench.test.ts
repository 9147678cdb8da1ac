import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runBench } from "../../lab/bench/bench";

const MAIN = join(__dirname, "..", "..", "lab", "bench", "main.ts");

describe("npm run bench", () => {
  let folder: string;
  const original = process.env["TMPDIR"];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "buildkite-bench-test-"));
    process.env["TMPDIR"] = folder;
  });

  afterEach(async () => {
    process.env["TMPDIR"] = original;
    if (original === undefined) {
      delete process.env["TMPDIR"];
    }
    await rm(folder, { recursive: true, force: true });
  });

  /** Everything it makes is in the folder, and everything it starts is started from there or told a path in there. */
  async function leftBehind(): Promise<string[]> {
    const commands = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
    const lines = await Promise.all(commands.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
    // tsx keeps its cache there too.
    const files = (await readdir(folder)).filter((name) => !name.startsWith("tsx-"));
    return [...files, ...lines.filter((line) => line.includes(folder))];
  }

  it("measures both ways against a control plane of its own, and leaves nothing behind", async function () {
    this.timeout(120_000);
    const lines: string[] = [];
    const options = { jobs: 20, concurrency: 4, block: 10 };
    const results = await runBench(options, new AbortController().signal, (line) => lines.push(line));
    assert.deepEqual([results.dispatcher.jobs, results.raw.jobs], [20, 20]);
    assert.deepEqual(results.dispatcher.blocksPerSecond.length, 2);
    const { throughput } = results.ratios;
    assert.ok(throughput > 0 && Math.abs(throughput - results.dispatcher.perSecond / results.raw.perSecond) < 0.01);
    assert.ok(results.parts.some(({ name, version }) => name === "kube-apiserver" && version.startsWith("v1.")));
    assert.ok(Number(results.setting["jobBytes"]) > 3000);
    assert.deepEqual(await leftBehind(), []);
  });

  it("ends cleanly on Ctrl-C", async function () {
    this.timeout(60_000);
    const child = spawn(process.execPath, ["--import=tsx", MAIN, "--jobs", "100000"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    let text = "";
    for await (const chunk of child.stdout) {
      text += String(chunk);
      if (text.includes("to warm up") && !child.killed) {
        child.kill("SIGINT");
      }
    }
    const [code] = (await exited) as [number | null];
    assert.equal(code, 130, text);
    assert.deepEqual(await leftBehind(), []);
  });
});
