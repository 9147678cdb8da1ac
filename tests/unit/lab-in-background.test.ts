import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { ROWS } from "../../lab/faults/rows";
import type { FaultSystem } from "../../lab/faults/system";
import { inBackground } from "../../lab/in-background";
import { unhandledRejections } from "../support/unhandled-rejections";

describe("work in the background", () => {
  it("may fail while something else is awaited, and still tells who awaits it", async () => {
    const found = await unhandledRejections(async () => {
      const work = inBackground(Promise.reject<number>(new Error("too early")));
      await sleep(1);
      await assert.rejects(work, /too early/);
    });
    assert.deepEqual(found, []);
    assert.equal(await inBackground(Promise.resolve(7)), 7);
  });
});

/** As much of a system as rows use until their first wait, at which they are interrupted while builds are scheduled. */
function interruptedSystem(): FaultSystem {
  const stopping = new AbortController();
  const { signal } = stopping;
  const proxy = { suspend: () => Promise.resolve(), count: () => 0, expireWatches: () => undefined };
  const nowhere = "http://127.0.0.1:1";
  return {
    signal,
    options: { seed: 1 },
    complaints: [],
    notes: [],
    fake: {
      setFaults: () => Promise.resolve(),
      settled: () => Promise.resolve(),
      jobs: () => [],
      stackCalls: { total: 0 },
    },
    kubernetes: { proxy, namespace: "n" },
    replicas: { measure: () => Promise.resolve(0), list: () => [], urls: () => [nowhere] },
    schedule: () => sleep(50, undefined, { signal }),
    wait: () => {
      setImmediate(() => {
        stopping.abort(new Error("interrupted"));
      });
      return sleep(60_000, undefined, { signal });
    },
  } as unknown as FaultSystem;
}

describe("a row of faults that is interrupted", () => {
  for (const name of [
    "webhooks: slow clients",
    "webhooks: a flood with wrong signatures",
    "kubernetes: API server down for 60 s",
    "kubernetes: watch expired again and again",
    "kubernetes: namespace recreated",
    "buildkite: 429 storm",
  ]) {
    it(`leaves no failure that nobody takes: ${name}`, async () => {
      const row = ROWS.find((one) => one.name === name);
      assert.ok(row !== undefined);
      const found = await unhandledRejections(() =>
        assert.rejects(row.harm(interruptedSystem(), 12), /abort|ECONNREFUSED/),
      );
      assert.deepEqual(found, []);
    });
  }
});
