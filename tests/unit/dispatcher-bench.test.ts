import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { takeTurns } from "../../lab/bench/blocks";
import { HELP, readOptions, UsageError } from "../../lab/bench/options";
import { ALL_SCENARIOS } from "../../lab/bench/scenarios";
import { ratiosOf, summarize } from "../../lab/bench/results";

describe("the bench", () => {
  it("takes turns, each side first in every other, and never more than the concurrency at one time", async () => {
    const order: string[] = [];
    let [now, most] = [0, 0];
    const tasks = (name: string) =>
      Array.from({ length: 6 }, () => async () => {
        most = Math.max(most, ++now);
        order.push(name);
        await sleep(1);
        now--;
      });
    const { signal } = new AbortController();
    const [one, other] = await takeTurns(tasks("a"), tasks("b"), 3, 2, signal);
    assert.equal(order.join(""), "aaabbbbbbaaa");
    assert.equal(most, 2);
    for (const measured of [one, other]) {
      assert.deepEqual([measured.latencies.length, measured.blockSeconds.length], [6, 2]);
    }
  });

  it("stops when it is told to, and fails when a request fails", async () => {
    const stop = new AbortController();
    const stopping = () => {
      stop.abort(new Error("enough"));
      return Promise.resolve();
    };
    await assert.rejects(takeTurns([stopping, stopping], [], 1, 1, stop.signal), /enough/);
    const failing = () => Promise.reject(new Error("503"));
    await assert.rejects(takeTurns([failing], [], 1, 1, new AbortController().signal), /503/);
  });

  it("makes its figures from what was measured", () => {
    const latencies = Array.from({ length: 100 }, (_, index) => 100 - index);
    const raw = summarize({ latencies, blockSeconds: [1, 1.5] }, 60);
    assert.deepEqual(raw, {
      ...{ jobs: 100, seconds: 2.5, perSecond: 40, p50Ms: 50, p99Ms: 99 },
      blocksPerSecond: [60, 26.7],
    });
    const dispatcher = { ...raw, perSecond: 36, p50Ms: 55, p99Ms: 198 };
    const ratios = ratiosOf(dispatcher, raw);
    assert.deepEqual(ratios, { throughput: 0.9, p50: 1.1, p99: 2 });
  });

  it("names the argument that is wrong", () => {
    const standard = { scenarios: ALL_SCENARIOS, size: "standard", jobs: 1000, concurrency: 16, block: 50 };
    assert.deepEqual(readOptions([]), standard);
    // Measured in the order of the table, whatever the order of the arguments.
    const some = readOptions(["--scenario", "nodes", "--scenario=blocks", "--quick"]);
    assert.deepEqual(some, { ...standard, scenarios: ["blocks", "nodes"], size: "quick" });
    assert.equal(readOptions(["--help"]), "help");
    assert.throws(() => readOptions(["--jobs", "9"]), /--jobs must be an integer from 10 to 100000, got "9"/);
    assert.throws(() => readOptions(["--turbo"]), UsageError);
    assert.throws(
      () => readOptions(["--scenario", "warp"]),
      /--scenario must be one of blocks, single, .*, got "warp"/,
    );
    assert.throws(() => readOptions(["--quick", "--full"]), /--full and --quick ask for different sizes/);
    for (const option of ["--jobs", "--concurrency", "--block", "--quick", "--full", ...ALL_SCENARIOS]) {
      assert.ok(HELP.includes(option));
    }
  });
});
