import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { TEMPORARY_PREFIX } from "../../lab/leftovers";
import type { RunReport } from "../../lab/report";
import { STEPS, stepsOf } from "../../lab/report/build-record";
import type { LabResults } from "../../lab/results";
import { nodeHour } from "../../tools/preview/prices";
import { differences } from "../support/report-figures";

const ROOT = join(__dirname, "..", "..");
const RESULTS = join(ROOT, "out", "lab.json");

function lab(...args: string[]): ChildProcess {
  return spawn(process.execPath, ["--import", "tsx", "lab/main.ts", ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TSX_DISABLE_CACHE: "1" },
  });
}

/** Collects what a process prints; `line` resolves when a line holds the text. */
function output(child: ChildProcess): { text: () => string; line: (part: string) => Promise<void> } {
  let text = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      for (const check of waiting) {
        check();
      }
    });
  }
  const line = (part: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (text.includes(part)) {
          waiting.delete(check);
          resolve();
        }
      };
      waiting.add(check);
      child.once("exit", () => {
        reject(new Error(`it ended without saying ${part}:\n${text}`));
      });
      check();
    });
  return { text: () => text, line };
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) {
    await once(child, "exit");
  }
  return child.exitCode;
}

function temporaryFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(TEMPORARY_PREFIX));
}

function processesOf(folders: readonly string[]): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^[0-9]+$/.test(pid))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return folders.some((folder) => command.includes(folder)) ? [command.replaceAll("\0", " ")] : [];
      } catch {
        return [];
      }
    });
}

describe("npm run lab", () => {
  let folder: string | undefined;

  after(() => {
    if (folder !== undefined) {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("explains itself", async () => {
    const child = lab("--help");
    const { text } = output(child);
    assert.equal(await exitCode(child), 0);
    for (const option of ["--builds", "--max-nodes", "--seed", "--keep", "--real-node", "--kubernetes-plugin"]) {
      assert.ok(text().includes(option), option);
    }
  });

  for (const [args, message] of [
    [["--builds", "0"], '--builds must be a whole number from 1 to 5000, got "0"'],
    [["--max-nodes", "many"], '--max-nodes must be a whole number from 2 to 100, got "many"'],
    [["--kubernetes-plugin", "none"], '--kubernetes-plugin must be double or real, got "none"'],
    [["--bulids", "3"], "--bulids"],
  ] as const) {
    it(`refuses ${args.join(" ")} before it starts anything`, async () => {
      const child = lab(...args);
      const { text } = output(child);
      assert.equal(await exitCode(child), 2);
      assert.ok(text().startsWith(message) || text().includes(message), text());
      assert.doesNotMatch(text(), /control plane: starting/);
    });
  }

  for (const [signal, moment, line] of [
    ["SIGINT", "while the control plane starts", "control plane: starting"],
    ["SIGINT", "while pulumi works", "pulumi up (dev) ..."],
    ["SIGINT", "while builds run", " running, 1"],
    ["SIGHUP", "while pulumi works", "pulumi up (dev) ..."],
  ] as const) {
    it(`leaves nothing behind after ${signal === "SIGINT" ? "Ctrl-C" : "a closed terminal"} ${moment}`, async function () {
      this.timeout(180_000);
      const before = temporaryFolders();
      const child = lab("--builds", "40", "--max-nodes", "3");
      const said = output(child);
      await said.line(line);
      const folders = temporaryFolders().filter((name) => !before.includes(name));
      child.kill(signal);
      assert.equal(await exitCode(child), 130, said.text());
      assert.deepEqual(temporaryFolders(), before);
      assert.deepEqual(processesOf(folders), []);
    });
  }

  it("draws a view on a terminal, and leaves that with its cursor and the last lines after Ctrl-C", async function () {
    this.timeout(180_000);
    if (spawnSync("script", ["--version"]).error !== undefined) {
      Object.assign(this, { skipReason: "no script command of util-linux, which makes terminals" });
      return this.skip();
    }
    // Its own, so that nobody else's folders come and go in it.
    folder = mkdtempSync(join(tmpdir(), "buildkite-scale-to-zero-tests-"));
    const command = `stty cols 80 rows 24; exec ${process.execPath} --import tsx lab/main.ts --builds 40 --max-nodes 3`;
    const child = spawn("script", ["--quiet", "--flush", "--return", "--command", command, "/dev/null"], {
      cwd: ROOT,
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, CI: "", NO_COLOR: "", TMPDIR: folder, TERM: "xterm-256color", TSX_DISABLE_CACHE: "1" },
    });
    const said = output(child);
    await said.line("> pulumi preview (dev)");
    // As the keyboard does it.
    child.stdin.write("\u0003");
    assert.equal(await exitCode(child), 130, said.text());
    const text = said.text();
    const hidden = text.lastIndexOf("\u001b[?25l");
    const shown = text.indexOf("\u001b[?25h", hidden);
    assert.ok(hidden >= 0 && shown > hidden, "the cursor was hidden and is back");
    assert.match(stripVTControlCharacters(text), /What is happening/);
    assert.match(text.slice(shown), /FAILED +interrupted\r\n(.*\r\n)*.* were not as they must be, after /);
    const left = readdirSync(folder).filter((name) => name.startsWith(TEMPORARY_PREFIX));
    assert.deepEqual(left, []);
  });

  it("leaves nothing behind when nobody reads its output any more", async function () {
    this.timeout(180_000);
    const before = temporaryFolders();
    const child = lab("--builds", "40", "--max-nodes", "3");
    await output(child).line("pulumi preview (dev) ...");
    const folders = temporaryFolders().filter((name) => !before.includes(name));
    child.stdout?.destroy();
    assert.equal(await exitCode(child), 130);
    assert.deepEqual(temporaryFolders(), before);
    assert.deepEqual(processesOf(folders), []);
  });

  // The last one: out/ then holds the whole run, not an interrupted one.
  it("runs 200 builds over 3 queues exactly once each, with nodes from 0 to the maximum and back to 0", async function () {
    this.timeout(900_000);
    rmSync(RESULTS, { force: true });
    const child = lab();
    const { text } = output(child);
    const code = await exitCode(child);
    const results = JSON.parse(readFileSync(RESULTS, "utf8")) as Required<LabResults>;
    assert.deepEqual(results.failures, [], text());
    assert.equal(code, 0);
    assert.equal(results.ok, true);
    assert.equal(results.jobs.ranOnce, 200);
    assert.equal(results.jobs.scheduled, 201, "the last one is for the destroy");
    assert.equal(results.jobs.lost + results.jobs.twice, 0);
    assert.equal(results.overlappingPods, 0);
    assert.equal(results.wastedPods, 0);
    assert.deepEqual(results.nodes, { max: 12, peak: 12, end: 0 });
    assert.deepEqual(results.secretsFound, []);
    assert.deepEqual(results.leftovers, []);
    assert.ok(results.parts.some(({ name, kind }) => name === "kube-apiserver" && kind === "real"));
    const report = readFileSync(join(ROOT, "out", "lab.html"), "utf8");
    assert.match(report, /<svg/);
    assert.deepEqual(differences(report, results.cost), [], "the report's figures are those of lab.json");
    const { cost } = results;
    assert.equal(cost.nodeHourDollars, nodeHour(cost.machineType, cost.spot));
    assert.ok(cost.usedNodeHours > 0 && cost.usedNodeHours < cost.paidNodeHours, JSON.stringify(cost));
    assert.deepEqual(
      cost.rows.map(({ name }) => name),
      ["this run", "OPTIMIZE_UTILIZATION", "BALANCED", "always on"],
    );
    assert.equal(cost.rows[3]?.dayNodeHours, 12 * 24);
    const run = JSON.parse(readFileSync(join(ROOT, "out", "lab-run.json"), "utf8")) as RunReport;
    assert.equal(run.buildRecords.length, 200, "the one for the destroy is not in it");
    const whole = STEPS.map(({ name }) => name);
    for (const build of run.buildRecords) {
      assert.deepEqual(
        stepsOf(build).map(({ name }) => name),
        whole,
        JSON.stringify(build),
      );
      assert.ok(run.nodes.some(({ name }) => name === build.node));
    }
    assert.doesNotMatch(text(), /\u001b/, "plain lines where there is no terminal");
    assert.doesNotMatch(report, /<script[^>]*src=|<link[^>]*href="http/, "self-contained");
  });
});
