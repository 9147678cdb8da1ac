import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runBench } from "../../lab/bench/bench";

const MAIN = join(__dirname, "..", "..", "lab", "bench", "main.ts");
const LONG = { argv: ["--jobs", "100000"], moment: "to warm up" };
const INTERRUPTIONS: readonly {
  readonly what: string;
  readonly argv: readonly string[];
  readonly moment: string;
  readonly interrupt: (child: ChildProcess) => void;
}[] = [
  { what: "Ctrl-C", ...LONG, interrupt: (child) => child.kill("SIGINT") },
  { what: "a closed terminal", ...LONG, interrupt: (child) => child.kill("SIGHUP") },
  // It shows at the next line, so there must be one.
  {
    ...{ what: "a reader that has gone", argv: ["--quick", "--scenario", "growth"], moment: "jobs at once" },
    interrupt: (child) => child.stdout?.destroy(),
  },
];

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
    this.timeout(180_000);
    const lines: string[] = [];
    const print = (line: string): void => {
      lines.push(line);
    };
    const scenarios = ["blocks", "single", "growth", "reconcile", "lost"] as const;
    const options = { scenarios, size: "quick", jobs: 20, concurrency: 4, block: 10 } as const;
    const results = await runBench(options, new AbortController().signal, print);
    const { dispatcher, raw, ratios, setting, single, scale = [], rawScale = [], pollingScale } = results;
    assert.ok(dispatcher && raw && ratios && setting && single && pollingScale, lines.join("\n"));
    assert.deepEqual([dispatcher.jobs, raw.jobs], [20, 20]);
    assert.deepEqual(dispatcher.blocksPerSecond.length, 2);
    assert.ok(ratios.throughput > 0 && Math.abs(ratios.throughput - dispatcher.perSecond / raw.perSecond) < 0.01);
    assert.ok(results.parts.some(({ name, version }) => name === "kube-apiserver" && version.startsWith("v1.")));
    assert.ok(Number(setting["jobBytes"]) > 3000);

    for (const rows of [scale, rawScale, pollingScale.limitsRaised]) {
      assert.deepEqual(
        rows.map(({ jobs }) => jobs),
        [10, 30],
      );
    }
    // One create for each job, by the API server's own count; and the webhooks' answers came after it.
    for (const { jobs, callsPerJob, answers, peakMiB } of scale) {
      assert.ok(callsPerJob.kubernetes >= 1, JSON.stringify(scale));
      assert.deepEqual(answers, { "200": jobs });
      assert.ok(peakMiB !== null && peakMiB > 20);
    }
    assert.deepEqual([pollingScale.byDefault.length, pollingScale.byDefaultReckoned[0]?.jobs], [1, 30]);
    // Nothing but the loop knows of them.
    assert.ok(results.reconcileOnly?.jobs === 30 && results.reconcileOnly.callsPerJob.buildkite > 0);
    assert.ok((results.lostWebhooks?.longestSeconds ?? 99) < 15);
    assert.ok(results.aims.some(({ aim, met }) => aim.startsWith("a lost webhook") && met === true));
    assert.deepEqual(await leftBehind(), []);
  });

  for (const { what, argv, moment, interrupt } of INTERRUPTIONS) {
    it(`ends cleanly on ${what}`, async function () {
      this.timeout(60_000);
      const child = spawn(process.execPath, ["--import=tsx", MAIN, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      let text = "";
      let isInterrupted = false;
      child.stdout.on("data", (chunk) => {
        text += String(chunk);
        if (text.includes(moment) && !isInterrupted) {
          isInterrupted = true;
          interrupt(child);
        }
      });
      const [code] = (await exited) as [number | null];
      assert.equal(code, 130, text);
      assert.deepEqual(await leftBehind(), []);
    });
  }
});
