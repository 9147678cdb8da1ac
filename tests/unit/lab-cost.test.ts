import assert from "node:assert/strict";
import { nodeHour } from "../../tools/preview/prices";
import { type BuildRecord, costOf, type NodeRecord } from "../../lab/report";
import { stepsOf } from "../../lab/report/build-record";
import { type CostInput, replay, union } from "../../lab/report/cost";

const MINUTE = 60_000;
const TIMERS = { bootTime: 1.5 * MINUTE, unneededTime: 1 * MINUTE, scanInterval: 0 };

function build(node: string, boundAt: number, endedAt: number): BuildRecord {
  return { number: 1, queue: "default", scheduledAt: boundAt, boundAt, endedAt, node };
}

/** At a scale of 30: a boot takes 3 s, a minute is 2 s. */
function input(nodes: NodeRecord[], builds: BuildRecord[], more: Partial<CostInput> = {}): CostInput {
  return {
    ...{ pool: { machineType: "e2-standard-8", spot: true }, timeScale: 30, stretch: { from: 0, to: 120_000 } },
    ...{ maxNodes: 4, nodes, builds, ...more },
  };
}

describe("what a run's nodes cost", () => {
  it("counts a node as paid from its order to its end, as used with a build on it, in GKE's time", () => {
    const nodes = [{ name: "a", registeredAt: 10_000, goneAt: 27_000 }];
    const builds = [build("a", 10_000, 14_000), build("a", 12_000, 20_000), build("a", 22_000, 24_000)];
    const cost = costOf(input(nodes, builds));
    // 3 s of boot and 17 s as a node, times 30; 10 s and 2 s with a build.
    assert.equal(cost.paidNodeHours, Number(((20 * 30) / 3600).toFixed(4)));
    assert.equal(cost.usedNodeHours, 0.1);
    assert.equal(cost.hours, 1);
    assert.equal(cost.rows[0]?.nodeHours, cost.paidNodeHours);
  });

  it("prices by the table of the preview's summary, and not at all what is not in it", () => {
    const nodes = [{ name: "a", registeredAt: 3_000, goneAt: 120_000 }];
    const cost = costOf(input(nodes, []));
    const price = nodeHour("e2-standard-8", true) ?? Number.NaN;
    assert.equal(cost.nodeHourDollars, price);
    assert.deepEqual([cost.paidNodeHours, cost.rows[0]?.dollars], [1, price]);
    const unknown = costOf(input(nodes, [], { pool: { machineType: "n9-huge-1", spot: false } }));
    assert.equal(unknown.paidNodeHours, 1);
    assert.ok(unknown.rows.every((row) => !("dollars" in row) && !("dayDollars" in row)));
  });

  it("pays always-on nodes for the whole stretch and the whole day, the others for their builds only", () => {
    const cost = costOf(input([{ name: "a", registeredAt: 3_000, goneAt: 9_000 }], [build("a", 3_000, 7_000)]));
    const row = (name: string) => cost.rows.find((one) => one.name === name);
    assert.deepEqual([row("always on")?.nodeHours, row("always on")?.dayNodeHours], [4, 96]);
    assert.equal(row("this run")?.dayNodeHours, row("this run")?.nodeHours);
    // 1.5 min of boot, 2 min of builds, 1 or 10 min and one scan of waiting.
    assert.equal(row("OPTIMIZE_UTILIZATION")?.nodeHours, Number(((4.5 + 5 / 60) / 60).toFixed(4)));
    assert.equal(row("BALANCED")?.nodeHours, Number(((13.5 + 10 / 60) / 60).toFixed(4)));
  });

  it("replays: an idle node is taken again within its time, else a machine boots", () => {
    const one = [{ from: 0, to: 5 * MINUTE }];
    assert.equal(replay(one, TIMERS), 7.5 * MINUTE);
    const soon = [...one, { from: 5.5 * MINUTE, to: 6 * MINUTE }];
    assert.equal(replay(soon, TIMERS), 8.5 * MINUTE, "one boot, half a minute of waiting paid, the last minute too");
    const late = [...one, { from: 7 * MINUTE, to: 8 * MINUTE }];
    assert.equal(replay(late, TIMERS), 11 * MINUTE, "two boots");
    assert.equal(replay(late, { ...TIMERS, unneededTime: 10 * MINUTE }), 19.5 * MINUTE, "kept in between");
    const handed = [...one, { from: 5 * MINUTE, to: 6 * MINUTE }];
    assert.equal(replay(handed, TIMERS), 8.5 * MINUTE, "free at the moment it is needed");
    assert.equal(replay([], TIMERS), 0);
  });

  it("counts only what lies in the stretch, and a node that never went up to its end", () => {
    const nodes = [{ name: "a", registeredAt: 1_000 }];
    const cost = costOf(input(nodes, [build("a", 60_000, 500_000)]));
    assert.deepEqual([cost.paidNodeHours, cost.usedNodeHours], [1, 0.5]);
  });

  it("joins stretches that overlap", () => {
    const joined = union([
      { from: 5, to: 7 },
      { from: 0, to: 3 },
      { from: 2, to: 4 },
    ]);
    assert.deepEqual(joined, [
      { from: 0, to: 4 },
      { from: 5, to: 7 },
    ]);
  });
});

describe("a build's steps", () => {
  const whole = {
    ...{ number: 7, queue: "q", scheduledAt: 0, webhookAt: 10, jobAt: 40, boundAt: 3_000, podAt: 3_100 },
    ...{ startedAt: 3_500, finishedAt: 5_000, endedAt: 5_200 },
  };

  it("follow on each other from the push to the pod's end", () => {
    const steps = stepsOf(whole);
    assert.deepEqual(
      steps.map(({ name, from, to }) => [name, from, to]),
      [
        ["webhook", 0, 10],
        ["Job", 10, 40],
        ["node", 40, 3_000],
        ["pod", 3_000, 3_100],
        ["agent", 3_100, 3_500],
        ["build", 3_500, 5_000],
        ["end", 5_000, 5_200],
      ],
    );
  });

  it("never go backwards when a watch heard late, and leave out what was not seen", () => {
    const late = stepsOf({ ...whole, jobAt: 3_050, podAt: undefined });
    assert.ok(late.every(({ from, to }, index) => to >= from && from === (late[index - 1]?.to ?? 0)));
    assert.deepEqual(
      late.map(({ name }) => name),
      ["webhook", "Job", "node", "agent", "build", "end"],
    );
    assert.equal(late.find(({ name }) => name === "Job")?.to, 3_000, "the pod had its node then, so there was the Job");
    assert.equal(late.find(({ name }) => name === "build")?.from, 3_500);
    assert.deepEqual(stepsOf({ number: 1, queue: "q", scheduledAt: 5 }), []);
  });
});
