import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MACHINE_TYPES } from "../../lab/autoscaler";
import { estimateHistory, mostAtOnce, seriesOf, type Estimate } from "../../lab/estimate/estimate";
import { parseHistory } from "../../lab/estimate/history-file";
import { kneeOf } from "../../lab/estimate/knee";
import { HELP, readOptions, UsageError, type EstimateOptions } from "../../lab/estimate/options";
import { estimateHtml } from "../../lab/estimate/page";
import { knownPrice } from "../../lab/estimate/prices";
import type { Outcome } from "../../lab/estimate/scenario";
import { tableText } from "../../lab/estimate/table";
import { percentile } from "../../lab/percentile";

const ROOT = join(__dirname, "..", "..");
const EXAMPLE = join(ROOT, "docs", "estimate-example.json");
const history = parseHistory(readFileSync(EXAMPLE, "utf8"), "example");

function options(...argv: string[]): EstimateOptions {
  const read = readOptions([...argv, "builds.json"]);
  assert.ok(read !== "help");
  return read;
}
const estimateOf = (...argv: string[]): Estimate => estimateHistory(history, options(...argv));
const rows = (estimate: Estimate): readonly Outcome[] => estimate.series.flatMap(({ outcomes }) => outcomes);
const near = (value: number | undefined, expected: number): void => {
  assert.ok(value !== undefined && Math.abs(value - expected) <= 1e-6 * Math.abs(expected), `${value} for ${expected}`);
};

describe("the estimate's knee", () => {
  const choice = (cost: number, wait: number) => ({ cost, wait });

  it("is the choice farthest below the line from the cheapest to the dearest", () => {
    assert.equal(kneeOf([choice(10, 100), choice(20, 40), choice(30, 10), choice(100, 0)]), 2);
    // Independent of the units of either axis, and of the order.
    assert.equal(kneeOf([choice(1, 0), choice(0.3, 600), choice(0.2, 2400), choice(0.1, 6000)]), 1);
  });

  it("leaves out what another choice beats in both, and is the one that beats all", () => {
    assert.equal(kneeOf([choice(10, 100), choice(200, 100), choice(20, 20), choice(100, 0)]), 2);
    assert.equal(kneeOf([choice(10, 100), choice(9, 50), choice(8, 5)]), 2);
    assert.equal(kneeOf([choice(5, 5)]), 0);
  });

  it("is none where no choice is below the line", () => {
    assert.equal(kneeOf([]), undefined);
    assert.equal(kneeOf([choice(10, 100), choice(20, 50)]), undefined);
    assert.equal(kneeOf([choice(0, 100), choice(50, 50), choice(100, 0)]), undefined);
    assert.equal(kneeOf([choice(0, 100), choice(80, 90), choice(100, 0)]), undefined);
  });
});

describe("the estimate's table", () => {
  it("counts money: hours paid times the price, the Spot share, always-on nodes, the fee apart", () => {
    const estimate = estimateOf("--spot-share", "0,0.5,1", "--max-nodes", "4", "--profile", "balanced");
    const [onDemand, half, spot] = rows(estimate);
    const price = knownPrice("e2-standard-4");
    assert.ok(Math.abs(price.onDemand - 0.134) < 0.0005 && Math.abs(price.spot - 0.0402) < 0.0005);
    near(onDemand?.nodeCost, (onDemand?.nodeHoursPaid ?? 0) * price.onDemand);
    near(spot?.nodeCost, (onDemand?.nodeHoursPaid ?? 0) * price.spot);
    near(half?.nodeCost, ((onDemand?.nodeCost ?? 0) + (spot?.nodeCost ?? 0)) / 2);
    near(onDemand?.alwaysOnCost, 4 * 720 * price.onDemand);
    near(estimate.clusterFee, 72);
    const other = estimateOf("--month-days", "15", "--cluster-fee-per-hour", "0.2", "--max-nodes", "4");
    near(other.clusterFee, 72);
    near(rows(other)[0]?.nodeCost, (onDemand?.nodeCost ?? 0) / 2);
  });

  it("is the one that docs/estimate.md shows", () => {
    const document = readFileSync(join(ROOT, "docs", "estimate.md"), "utf8");
    const [, shown = ""] = /```text\n([^`]+)\n```/.exec(document) ?? [];
    const printed = tableText(estimateOf()).split("\n");
    for (const line of shown.split("\n")) {
      assert.ok(printed.includes(line), line);
    }
    assert.ok(shown.split("\n").length >= 9);
  });

  it("scales to the days that were said to be covered", () => {
    const [asIs] = rows(estimateOf("--max-nodes", "4"));
    const [covered] = rows(estimateOf("--max-nodes", "4", "--history-days", "14"));
    const days = estimateOf("--max-nodes", "4").history.days;
    near(covered?.nodeCost, ((asIs?.nodeCost ?? 0) * days) / 14);
    near(covered?.coldStarts, ((asIs?.coldStarts ?? 0) * days) / 14);
    assert.equal(covered?.waitP95Seconds, asIs?.waitP95Seconds);
  });

  it("takes other prices and start times from the command line", () => {
    const argv = ["--max-nodes", "4", "--profile", "balanced"];
    const [plain] = rows(estimateOf(...argv));
    const [dear] = rows(estimateOf(...argv, "--price-per-hour", "1", "--spot-price-per-hour", "e2-standard-4=0.5"));
    near(dear?.nodeCost, plain?.nodeHoursPaid ?? 0);
    const [slow] = rows(estimateOf(...argv, "--node-start-seconds", "240"));
    assert.ok((slow?.waitP95Seconds ?? 0) > (plain?.waitP95Seconds ?? 0) + 100);
    const [second] = rows(estimateOf(...argv, "--pod-start-seconds", "107"));
    assert.ok((second?.waitP50Seconds ?? 0) >= (plain?.waitP50Seconds ?? 0) + 90);
  });

  it("puts more builds on a node when they request less", () => {
    const argv = ["--max-nodes", "16", "--profile", "optimize-utilization", "--spot-share", "0"];
    const [alone] = rows(estimateOf(...argv));
    const [four] = rows(estimateOf(...argv, "--jobs-per-node", "4"));
    const [quick] = rows(estimateOf(...argv, "--requests", "quick:cpu=250m,memory=512Mi"));
    assert.ok((four?.nodeHoursPaid ?? 0) < 0.8 * (alone?.nodeHoursPaid ?? 0));
    assert.ok((quick?.nodeHoursPaid ?? 0) < (alone?.nodeHoursPaid ?? 0));
  });

  it("puts no more builds on a node than the pool has pods for, however little they request", () => {
    const peak = (builds: number): number | undefined => {
      const job = { queue: "default", runnableAt: Date.UTC(2026, 10, 2), durationMs: 600_000, waitedMs: 0 };
      const crowd = { jobs: Array.from({ length: builds }, () => job), leftOut: {} };
      return rows(estimateHistory(crowd, options("--max-nodes", "4", "--requests", "cpu=10m,memory=16Mi")))[0]
        ?.peakNodes;
    };
    assert.deepEqual([peak(24), peak(25), peak(48), peak(49)], [1, 2, 2, 3]);
  });

  it("takes one queue's jobs only, and names the queues there are", () => {
    const jobs = estimateOf("--queue", "docker", "--max-nodes", "2").history.jobs;
    assert.ok(jobs > 50 && jobs < 120, String(jobs));
    assert.throws(
      () => estimateOf("--queue", "dokcer"),
      /--queue must be a queue of the file \(default, docker, quick\), got dokcer/,
    );
  });

  it("takes one queue's jobs as a part of the days that the whole file covers, also where they lie close together", () => {
    const [minute, hour, day] = [60_000, 3_600_000, 24 * 3_600_000];
    const start = Date.UTC(2026, 10, 2);
    const job = (queue: string, at: number) => ({
      ...{ queue, runnableAt: start + at, durationMs: 10 * minute, waitedMs: 0 },
    });
    const steady = Array.from({ length: 14 * 4 }, (_, index) => job("default", index * 6 * hour));
    const deploy = [job("deploy", 5 * day), job("deploy", 5 * day + hour)];
    const fortnight = {
      jobs: [...steady, ...deploy].sort((a, b) => a.runnableAt - b.runnableAt),
      leftOut: {},
    };
    const of = (...argv: string[]) => {
      const shape = ["--max-nodes", "2", "--profile", "balanced", "--spot-share", "0"];
      const estimate = estimateHistory(fortnight, options(...shape, ...argv));
      return { ...estimate, row: estimate.series[0]?.outcomes[0] };
    };
    const [whole, part] = [of(), of("--queue", "deploy")];
    assert.equal(part.history.jobs, 2);
    assert.deepEqual([part.history.days, part.history.from], [whole.history.days, whole.history.from]);
    assert.deepEqual([part.warnings, whole.warnings], [[], []]);
    // Two cold starts in these days, not in the hour between them, and a small part of what all cost.
    near(part.row?.coldStarts, (2 * 30) / part.history.days);
    assert.ok((part.row?.nodeCost ?? 0) < 0.1 * (whole.row?.nodeCost ?? 0), JSON.stringify(part.row));
    near(of("--queue", "deploy", "--history-days", "28").row?.coldStarts, (2 * 30) / 28);
    assert.match(tableText(part), /^2 jobs in 13\.8 days;/);
  });

  it("refuses a queue that the file does not have, also beside one that it has, and in --requests", () => {
    const refused = (argv: readonly string[], pattern: RegExp): void => {
      assert.throws(
        () => estimateOf("--max-nodes", "2", ...argv),
        (error: unknown) => error instanceof RangeError && pattern.test(error.message),
      );
    };
    refused(
      ["--queue", "default", "--queue", "dokcer"],
      /^--queue must be a queue of the file \(default, docker, quick\), got dokcer$/,
    );
    refused(
      ["--requests", "dokcer:cpu=3,memory=9Gi"],
      /^QUEUE of --requests must be a queue of the file \(default, docker, quick\), got dokcer$/,
    );
    // One that is in the file, but was not asked for, is no mistake.
    estimateOf("--max-nodes", "2", "--queue", "quick", "--requests", "docker:cpu=3,memory=9Gi");
  });

  it("refuses fewer days than the file's jobs lie apart, whichever queue is asked for", () => {
    const days = (text: string, ...more: string[]) =>
      estimateOf("--max-nodes", "2", "--history-days", text, ...more).history.days;
    const words =
      /^RangeError: --history-days must not be less than from the file's first job to its last \(6\.6 days\), got 1: give the days that the export covers, or leave it out$/;
    const refused = (error: unknown) => words.test(String(error));
    assert.throws(() => days("1"), refused);
    assert.throws(() => days("1", "--queue", "docker"), refused);
    assert.equal(days("7"), 7);
    // Builds of these days may go on after them.
    assert.equal(days("6.5"), 6.5);
  });

  it("counts what ran at one time in reality, one that begins as another ends in its place", () => {
    const job = { queue: "default", waitedMs: 5 };
    const jobs = [
      { ...job, runnableAt: 0, durationMs: 10 },
      { ...job, runnableAt: 3, durationMs: 10 },
      { ...job, runnableAt: 10, durationMs: 1 },
    ];
    assert.equal(mostAtOnce({ jobs, leftOut: {} }), 2);
    assert.equal(mostAtOnce({ jobs: jobs.slice(0, 1), leftOut: {} }), 1);
  });

  it("says so of pools with too few nodes, and takes none of them for a knee", () => {
    const crowd = { ...history, jobs: history.jobs.map((job) => ({ ...job, durationMs: job.durationMs * 12 })) };
    const estimate = estimateHistory(crowd, options("--max-nodes", "1,8,16,32", "--history-days", "6.6"));
    const [series] = estimate.series;
    assert.deepEqual(
      series?.outcomes.map(({ keepsUp }) => keepsUp),
      [false, true, true, true],
    );
    assert.notEqual(series.knee, 1);
    assert.match(
      estimate.warnings.join("\n"),
      /Too few nodes with a maximum of 1: .* up to \d+ ran at one time\. --max-nodes/,
    );
    // No month has more than its hours.
    near(series.outcomes[0]?.nodeHoursPaid, 720);
  });

  it("puts rows that differ in their maximum only on one line, by rising maximum", () => {
    const outcomes = rows(estimateOf("--max-nodes", "8,2,4"));
    const series = seriesOf(outcomes);
    assert.equal(series.length, 4);
    assert.deepEqual(
      series.map((one) => one.outcomes.map(({ maxNodes }) => maxNodes)),
      [1, 2, 3, 4].map(() => [2, 4, 8]),
    );
  });

  it("takes percentiles by nearest rank", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    assert.deepEqual(
      [percentile(hundred, 0.5), percentile(hundred, 0.95), percentile([7], 0.95), percentile([], 0.5)],
      [50, 95, 7, 0],
    );
  });

  it("has a price for every machine type of the model", () => {
    for (const type of MACHINE_TYPES.keys()) {
      const { onDemand, spot } = knownPrice(type);
      assert.ok(onDemand > 0.04 && onDemand < 3 && spot < onDemand / 2, type);
    }
    assert.throws(() => knownPrice("m9-huge-4"), /machine type "m9-huge-4" has no price here/);
  });

  it("prices machine types by the memory that the model gives them", () => {
    for (const family of ["e2", "n2", "n2d", "c3"]) {
      const gibHour = (large: string, small: string): number => {
        const [more, less] = [`${family}-${large}-8`, `${family}-${small}-8`];
        const gib = (MACHINE_TYPES.get(more)?.memoryGib ?? 0) - (MACHINE_TYPES.get(less)?.memoryGib ?? 0);
        return (knownPrice(more).onDemand - knownPrice(less).onDemand) / gib;
      };
      const difference = gibHour("highmem", "standard") - gibHour("standard", "highcpu");
      assert.ok(Math.abs(difference) < 0.00002, `${family}: ${difference}`);
    }
  });
});

describe("the estimate's picture", () => {
  const estimate = estimateOf();
  const html = estimateHtml({ ...estimate, history: { ...estimate.history, file: "<b>&.json" } });

  it("has a dot for each row, a ring for each knee, and every row's figures", () => {
    const count = (pattern: RegExp): number => [...html.matchAll(pattern)].length;
    assert.equal(count(/class="dot"/g), 16);
    assert.equal(count(/class="knee"/g), estimate.series.filter(({ knee }) => knee !== undefined).length);
    assert.equal(count(/class="at-knee"/g), count(/class="knee"/g));
    for (const line of tableText(estimate)
      .split("\n")
      .filter((text) => /^[* ] +\d/.test(text))) {
      const [cost] = /\$[\d.]+/.exec(line) ?? [];
      assert.ok(cost !== undefined && html.includes(`<td class="number">${cost}</td>`), line);
    }
  });

  it("needs nothing from anywhere, follows the reader's light or dark, and shows a file's name as text", () => {
    assert.doesNotMatch(html, /<script|https?:|NaN|undefined|Infinity/);
    assert.match(html, /prefers-color-scheme: dark/);
    assert.ok(html.includes("&lt;b&gt;&amp;.json") && !html.includes("<b>&"));
  });

  it("states what is assumed, with source and date", () => {
    assert.match(html, /90 s after the autoscaler asked for it/);
    assert.match(html, /\$0\.1340 an hour, \$0\.0402 as Spot/);
    assert.match(html, /gce_price_info\.go; read in August 2026/);
  });
});

describe("the estimate's command line", () => {
  const refused = (argv: readonly string[], pattern: RegExp): void => {
    assert.throws(
      () => readOptions(argv),
      (error: unknown) => error instanceof UsageError && pattern.test(error.message),
    );
  };

  it("names option, rule and value of a wrong argument", () => {
    refused([], /one file is needed, got none/);
    refused(["a", "b"], /one file is needed, got a b/);
    refused(["--max-nodes", "2,x", "f"], /--max-nodes must be an integer from 1 to 1000, got "x"/);
    refused(["--max-nodes", "2,,4", "f"], /--max-nodes must be values separated by commas, got "2,,4"/);
    refused(["--machine-type", "m9-huge", "f"], /--machine-type must be one of e2-standard-2, .* got "m9-huge"/);
    refused(["--spot-share", "1.5", "f"], /--spot-share must be a number from 0 to 1, got "1\.5"/);
    refused(["--profile", "fast", "f"], /--profile must be one of balanced, optimize-utilization, got "fast"/);
    refused(["--requests", "cpu=2", "f"], /--requests must be like .* got "cpu=2"/);
    refused(["--requests", "cpu=two,memory=1Gi", "f"], /"two" is not a Kubernetes quantity/);
    refused(["--requests", "cpu=1,memory=1Gi,gpu=1", "f"], /--requests must be like/);
    refused(["--requests", "cpu=1,memory=1Gi", "--jobs-per-node", "2", "f"], /cannot be used together/);
    refused(["--jobs-per-node", "25", "f"], /--jobs-per-node must be an integer from 1 to 24, got "25"/);
    assert.equal(options("--jobs-per-node", "24").assumptions.jobsPerNode, 24);
    refused(["--price-per-hour", "n2-standard-4=1", "f"], /--price-per-hour must be for one of --machine-type/);
    refused(["--price-per-hour", "free", "f"], /--price-per-hour must be a number from 0 to 1000, got "free"/);
    refused(["--unheard-of", "f"], /unheard-of/);
  });

  it("describes every option", () => {
    const names = optionNames();
    assert.ok(names.length >= 17, names.join(", "));
    for (const name of names) {
      assert.match(HELP, new RegExp(`^ +--${name} `, "m"));
    }
  });

  it("exits 0, 1 and 2 as it says, with the reason on standard error", () => {
    const run = (...argv: string[]) =>
      spawnSync(process.execPath, ["--import", "tsx", join(ROOT, "lab", "estimate", "main.ts"), ...argv], {
        cwd: ROOT,
        encoding: "utf8",
      });
    const help = run("--help");
    assert.deepEqual([help.status, help.stdout], [0, HELP]);
    const missing = run("no-such.json");
    assert.deepEqual([missing.status, missing.stdout], [1, ""]);
    assert.match(missing.stderr, /^no-such\.json cannot be read: ENOENT/);
    const wrong = run("--spot-share", "2", "x");
    assert.deepEqual([wrong.status, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /All options: npm run estimate -- --help/);
    const tooSmall = run("--machine-type", "e2-standard-2", "docs/estimate-example.json");
    assert.equal(tooSmall.status, 1);
    assert.match(
      tooSmall.stderr,
      /a build of queue \w+ asks for 2000m CPU, 7 GiB memory, 20 GiB disk, and of e2-standard-2: \d+m CPU/,
    );
  });
});

/** Names of all options, as the program's own reader knows them: it is asked for each of the help's. */
function optionNames(): string[] {
  const source = readFileSync(join(ROOT, "lab", "estimate", "options.ts"), "utf8");
  const table = source.slice(source.indexOf("options: {\n"), source.indexOf("} catch"));
  return [...table.matchAll(/^ {8}"?([a-z-]+)"?: /gm)].map(([, name = ""]) => name);
}
