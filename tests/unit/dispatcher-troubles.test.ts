import assert from "node:assert/strict";
import type { ListedQueue } from "../../dispatcher/buildkite/queue-views";
import { createLog } from "../../dispatcher/log";
import type { BuildkiteSources, TroubleSources } from "../../dispatcher/trouble-sources";
import { Troubles } from "../../dispatcher/troubles";

const START = Date.parse("2026-01-01T00:00:00Z");
const WELL: ListedQueue = { paused: false, waiting: 0, oldestSeconds: 0, notServed: 0 };

/** A sound installation, an hour after its start, with what a test changes of it. */
function troublesOf(change: Partial<TroubleSources>, buildkite: Partial<BuildkiteSources> = {}) {
  const lines: Record<string, unknown>[] = [];
  const clock = { now: START + 3_600_000 };
  const sources: TroubleSources = {
    startedAt: START,
    lastContact: () => clock.now - 1000,
    watches: { jobs: { failure: undefined } },
    missingTemplates: () => [],
    waiting: () => new Map([["attempt", 3]]),
    bufferFull: () => false,
    buildkite: {
      health: { trouble: undefined },
      intervalMs: 10_000,
      listedAt: () => clock.now - 9000,
      slots: () => 5,
      queues: ["k8s", "gpu"],
      view: () => WELL,
      isStopped: () => false,
      ...buildkite,
    },
    silentMs: 90_000,
    troubleAfterMs: 30_000,
    ...change,
  };
  const log = createLog((line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  const troubles = new Troubles(sources, log, () => clock.now);
  return { troubles, lines, clock };
}

const named = (troubles: Troubles): string[] =>
  troubles.list().map(({ part, cause, of, since }) => `${part} ${cause} ${of ?? "-"} ${since.slice(11, 19)}`);

describe("troubles", () => {
  it("are none while all is well, with jobs that wait for their next attempt and a pool that is full", () => {
    const full = { slots: () => 0, view: () => ({ ...WELL, waiting: 90, oldestSeconds: 7200 }) };
    assert.deepEqual(named(troublesOf({}).troubles), []);
    assert.deepEqual(named(troublesOf({}, full).troubles), []);
  });

  const cases: [string, Partial<TroubleSources>, Partial<BuildkiteSources>, string[]][] = [
    ["an API server that is silent", { lastContact: () => START + 3_000_000 }, {}, ["kubernetes silent - 00:50:00"]],
    [
      "a watch that fails, but not one that has just broken",
      {
        watches: {
          jobs: { failure: { since: START + 3_500_000, error: "403" } },
          pods: { failure: { since: START + 3_590_000, error: "cut" } },
        },
      },
      {},
      ["kubernetes watch_failing jobs 00:58:20"],
    ],
    ["a full quota", { waiting: () => new Map([["quota", 2]]) }, {}, ["kubernetes quota_full - 01:00:00"]],
    ["Jobs refused", { waiting: () => new Map([["refusal", 1]]) }, {}, ["kubernetes jobs_refused - 01:00:00"]],
    ["a template that is not there", { missingTemplates: () => ["gpu"] }, {}, ["template missing gpu 01:00:00"]],
    ["a full buffer", { bufferFull: () => true }, {}, ["dispatcher buffer_full - 01:00:00"]],
    [
      "Buildkite away, and the list grown old with it",
      {},
      {
        health: { trouble: { cause: "unavailable", since: START + 1000, error: "ECONNREFUSED" } },
        listedAt: () => START + 500,
      },
      ["buildkite unavailable - 00:00:01", "buildkite list_stale - 00:00:00"],
    ],
    [
      "a token that is refused",
      {},
      { health: { trouble: { cause: "token_refused", since: START, error: "401" } } },
      ["buildkite token_refused - 00:00:00"],
    ],
    ["a queue that is stopped", {}, { isStopped: (key) => key === "gpu" }, ["queue stopped gpu 01:00:00"]],
    [
      "a job that waits although there is room, but not where somebody paused the queue",
      {},
      { view: (key) => ({ ...WELL, oldestSeconds: 60, paused: key === "gpu" }) },
      ["queue waiting_long k8s 00:59:00"],
    ],
  ];
  for (const [what, change, buildkite, expected] of cases) {
    it(`are ${what}`, () => {
      const { troubles } = troublesOf(change, buildkite);
      assert.deepEqual(named(troubles), expected);
      for (const { words, fix } of troubles.list()) {
        assert.match(words, /^[A-Z0-9].*[^ ]$/);
        assert.match(fix, /^[A-Z].*\.$|\?$/);
      }
    });
  }

  it("keep their beginning while they last, and are said in the log when they begin and when they are over", () => {
    const full = { value: true };
    const { troubles, lines, clock } = troublesOf({ bufferFull: () => full.value });
    const since = troubles.list()[0]?.since;
    clock.now += 60_000;
    assert.equal(troubles.list()[0]?.since, since);
    full.value = false;
    assert.deepEqual(troubles.list(), []);
    assert.deepEqual(
      lines.map(({ event, level, cause, seconds }) => [event, level, cause, seconds]),
      [
        ["trouble", "warn", "buffer_full", undefined],
        ["trouble over", "info", "buffer_full", 60],
      ],
    );
  });

  it("are one for the metric, however many queues have it", () => {
    const { troubles } = troublesOf({}, { isStopped: () => true });
    assert.equal(troubles.list().length, 2);
    assert.deepEqual(troubles.pairs(), [{ part: "queue", cause: "stopped" }]);
  });
});
