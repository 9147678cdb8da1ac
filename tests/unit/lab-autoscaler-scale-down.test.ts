import assert from "node:assert/strict";
import { Backoff } from "../../lab/autoscaler/backoff";
import { drainVerdict, type DrainContext } from "../../lab/autoscaler/drain";
import { SCALE_DOWN_DISABLED, type NodeState } from "../../lab/autoscaler/node";
import type { PodState } from "../../lab/autoscaler/pod";
import { ScaleDown, type ScaleDownInput } from "../../lab/autoscaler/scale-down";
import { PROFILES, scaled } from "../../lab/autoscaler/timers";
import { utilization } from "../../lab/autoscaler/utilization";
import { aNode, aPod, GIB } from "../support/autoscaler-objects";

const SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict";
const MINUTE = 60_000;
const NOW = 10_000_000;

const context: DrainContext = {
  now: NOW,
  localStorageBlocks: false,
  hasBudget: () => false,
  budgetForbids: () => false,
};
const verdict = (more: Partial<PodState>, rules: Partial<DrainContext> = {}): string => {
  const result = drainVerdict(aPod("p", more), { ...context, ...rules });
  return result.kind === "block" ? result.reason : result.kind;
};
const cpu = (millicores: number): PodState["requests"] => ({ cpu: millicores, memory: 0, ephemeralStorage: 0 });

describe("the autoscaler model: what a pod means for its node (rule 9)", () => {
  it("evicts a Job's pod without the annotation, and keeps the node for one with safe-to-evict false", () => {
    assert.equal(verdict({}), "drain");
    assert.equal(verdict({ annotations: { [SAFE]: "false" } }), "safe-to-evict: false");
    assert.equal(verdict({ annotations: { [SAFE]: "true" }, controller: undefined }), "drain");
    assert.equal(verdict({ annotations: { [SAFE]: "on-completion" } }), "safe-to-evict: on-completion");
  });

  it("passes over mirror, DaemonSet and long terminating pods, and lets ended ones go", () => {
    assert.equal(verdict({ mirror: true, controller: undefined }), "skip");
    assert.equal(verdict({ controller: "DaemonSet" }), "skip");
    assert.equal(verdict({ deletionDue: NOW - 30_001, controller: undefined }), "skip");
    assert.equal(verdict({ deletionDue: NOW - 29_999, controller: undefined }), "not replicated");
    assert.equal(verdict({ terminal: true, annotations: { [SAFE]: "false" } }), "ends");
  });

  it("keeps the node for a bare pod, a young kube-system pod, local storage where it blocks, and a budget", () => {
    assert.equal(verdict({ controller: undefined }), "not replicated");
    const young = { namespace: "kube-system", createdAt: NOW - 3_599_999 };
    assert.equal(verdict(young), "kube-system pod without a budget");
    assert.equal(verdict({ ...young, createdAt: NOW - 3_600_001 }), "drain");
    assert.equal(verdict(young, { hasBudget: () => true }), "drain");
    assert.equal(verdict({ localStorage: true }), "drain");
    assert.equal(verdict({ localStorage: true }, { localStorageBlocks: true }), "local storage");
    assert.equal(verdict({}, { budgetForbids: () => true }), "not enough pod disruption budget");
  });
});

describe("the autoscaler model: utilization (rule 8)", () => {
  it("is the larger share of cpu and memory", () => {
    const node = aNode("n");
    assert.equal(utilization(node, [aPod("p", { requests: cpu(1000) })], NOW), 0.25);
    const requests = { cpu: 1000, memory: 12 * GIB, ephemeralStorage: 0 };
    assert.equal(utilization(node, [aPod("p", { requests })], NOW), 0.75);
  });

  it("leaves DaemonSet and mirror pods out on both sides, and pods that have ended or should have", () => {
    const node = aNode("n");
    const system = aPod("d", { controller: "DaemonSet", requests: cpu(2000) });
    assert.equal(utilization(node, [system, aPod("p", { requests: cpu(1000) })], NOW), 0.5);
    assert.equal(utilization(node, [aPod("p", { terminal: true })], NOW), 0);
    assert.equal(utilization(node, [aPod("p", { deletionDue: NOW - 31_000 })], NOW), 0);
  });
});

describe("the autoscaler model: when a node goes (rules 7 and 10 to 13)", () => {
  const timers = PROFILES.OPTIMIZE_UTILIZATION;
  const input = (
    nodes: readonly NodeState[],
    pods: readonly PodState[],
    now: number,
    more: Partial<ScaleDownInput> = {},
  ): ScaleDownInput => ({
    ...context,
    ...{ nodes, pods, now, inPool: () => true, deleting: new Set<string>(), mayGo: 99, ...more },
  });
  const names = (removals: readonly { node: string }[]): string[] => removals.map(({ node }) => node);

  it("removes an empty node once it was unneeded for the profile's time, and not before", () => {
    for (const [profile, minutes] of [
      ["OPTIMIZE_UTILIZATION", 1],
      ["BALANCED", 10],
    ] as const) {
      const down = new ScaleDown(PROFILES[profile]);
      const nodes = [aNode("n")];
      assert.deepEqual(down.step(input(nodes, [], NOW)), []);
      assert.deepEqual(down.step(input(nodes, [], NOW + minutes * MINUTE - 1)), [], profile);
      assert.deepEqual(names(down.step(input(nodes, [], NOW + minutes * MINUTE))), ["n"], profile);
    }
  });

  it("never removes a node with a running build on it, and lets it go after the build: the idle tail", () => {
    const down = new ScaleDown(timers);
    const nodes = [aNode("n")];
    const build = aPod("b", { requests: cpu(2000), annotations: { [SAFE]: "false" } });
    let now = NOW;
    for (; now < NOW + 60 * MINUTE; now += timers.scanInterval) {
      assert.deepEqual(down.step(input(nodes, [build], now)), []);
    }
    const ended = now;
    let gone: number | undefined;
    for (; gone === undefined && now < ended + 5 * MINUTE; now += timers.scanInterval) {
      gone = down.step(input(nodes, [{ ...build, terminal: true }], now)).length > 0 ? now : undefined;
    }
    assert.ok(gone !== undefined);
    const tail = (gone - ended) / 1000;
    // Below the threshold the node was on the recheck list, so its timer began up to 20 s late.
    assert.ok(tail >= 60 && tail <= 80 + 5, `${tail} s`);
  });

  it("takes a node above the threshold as needed, and one exactly at it as a candidate", () => {
    const down = new ScaleDown(timers);
    const other = aNode("other", { allocatable: { cpu: 8000, memory: 64 * GIB, ephemeralStorage: 0 } });
    const at = aPod("at", { requests: cpu(3400) });
    down.step(input([aNode("n"), other], [at], NOW));
    assert.equal(down.standing("n")?.kind, "unneeded");
    down.step(input([aNode("n"), other], [{ ...at, requests: cpu(3401) }], NOW + 1));
    assert.equal(down.standing("n")?.kind, "needed");
  });

  it("starts the timer afresh after the node was needed in between", () => {
    const down = new ScaleDown(timers);
    const nodes = [aNode("n")];
    down.step(input(nodes, [], NOW));
    down.step(input(nodes, [aPod("p", { requests: cpu(3900) })], NOW + 50_000));
    assert.deepEqual(down.step(input(nodes, [], NOW + MINUTE)), []);
    assert.deepEqual(down.step(input(nodes, [], NOW + 2 * MINUTE - 1)), []);
    assert.deepEqual(names(down.step(input(nodes, [], NOW + 2 * MINUTE))), ["n"]);
  });

  it("puts a blocked node on the recheck list and does not look at it meanwhile", () => {
    const down = new ScaleDown(timers);
    const nodes = [aNode("n")];
    down.step(input(nodes, [aPod("bare", { controller: undefined })], NOW));
    assert.equal(down.standing("n")?.kind, "unremovable");
    down.step(input(nodes, [], NOW + 19_999));
    assert.equal(down.standing("n")?.kind, "unremovable");
    down.step(input(nodes, [], NOW + 20_000));
    assert.deepEqual(down.standing("n"), { kind: "unneeded", since: NOW + 20_000 });
  });

  it("moves pods only where they fit", () => {
    const down = new ScaleDown(timers);
    const pod = aPod("p");
    const small = aNode("small", { allocatable: cpu(500) });
    down.step(input([aNode("n"), small], [pod], NOW, { inPool: ({ name }) => name === "n" }));
    const standing = down.standing("n");
    assert.ok(standing?.kind === "unremovable" && /no place/.test(standing.reason));
    const roomy = new ScaleDown(timers);
    const nodes = [aNode("n"), aNode("roomy")];
    const onlyN = { inPool: ({ name }: NodeState) => name === "n" };
    roomy.step(input(nodes, [pod], NOW, onlyN));
    const [removal] = roomy.step(input(nodes, [pod], NOW + MINUTE, onlyN));
    assert.deepEqual(
      removal?.evict.map(({ name }) => name),
      ["p"],
    );
  });

  it("leaves a node alone whose annotation says so, that is going already, or that is in no pool", () => {
    const down = new ScaleDown(timers);
    const nodes = [aNode("off", { annotations: { [SCALE_DOWN_DISABLED]: "true" } }), aNode("going"), aNode("system")];
    const more = { deleting: new Set(["going"]), inPool: ({ name }: NodeState) => name !== "system" };
    down.step(input(nodes, [], NOW, more));
    assert.deepEqual(down.step(input(nodes, [], NOW + 60 * MINUTE, more)), []);
  });

  it("gives a node that is not ready its own, longer time", () => {
    const down = new ScaleDown(timers);
    const nodes = [aNode("n", { ready: false })];
    down.step(input(nodes, [], NOW));
    assert.deepEqual(down.step(input(nodes, [], NOW + 2 * MINUTE)), []);
    assert.deepEqual(names(down.step(input(nodes, [], NOW + 5 * MINUTE))), ["n"]);
  });

  it("waits through a cooldown while the timers run on", () => {
    const down = new ScaleDown(timers);
    const nodes = [aNode("n")];
    down.step(input(nodes, [], NOW));
    down.deleted(NOW + MINUTE - 1_000);
    assert.deepEqual(down.step(input(nodes, [], NOW + MINUTE)), []);
    assert.deepEqual(names(down.step(input(nodes, [], NOW + MINUTE + 4_000))), ["n"]);
    const failed = new ScaleDown(timers);
    failed.step(input(nodes, [], NOW));
    failed.failed("other", NOW + MINUTE);
    assert.deepEqual(failed.step(input(nodes, [], NOW + MINUTE + 4_999)), []);
    assert.equal(failed.step(input(nodes, [], NOW + MINUTE + 5_000)).length, 1);
  });

  it("takes empty nodes in bulk and first, and never more than may go", () => {
    const down = new ScaleDown(timers);
    const nodes = [aNode("n"), aNode("a"), aNode("b"), aNode("c")];
    const pods = [aPod("p")];
    down.step(input(nodes, pods, NOW));
    assert.deepEqual(names(down.step(input(nodes, pods, NOW + MINUTE, { mayGo: 2 }))), ["a", "b"]);
    assert.deepEqual(names(down.step(input(nodes, pods, NOW + MINUTE, { mayGo: 0 }))), []);
  });
});

describe("the autoscaler model: back-off (rule 6) and time scale", () => {
  it("doubles from 5 to 30 minutes and starts afresh after three hours", () => {
    const backoff = new Backoff(PROFILES.BALANCED);
    assert.ok(!backoff.active(NOW));
    let now = NOW;
    for (const minutes of [5, 10, 20, 30, 30]) {
      backoff.fail(now);
      assert.ok(backoff.active(now + minutes * MINUTE - 1), String(minutes));
      assert.ok(!backoff.active(now + minutes * MINUTE), String(minutes));
      now += minutes * MINUTE;
    }
    now += 180 * MINUTE;
    backoff.fail(now);
    assert.ok(!backoff.active(now + 5 * MINUTE));
  });

  it("divides every time by one factor, keeps thresholds, and scans no faster than this machine should", () => {
    const fast = scaled(PROFILES.BALANCED, 60);
    assert.equal(fast.unneededTime, 10_000);
    assert.equal(fast.bootTime, 1_500);
    assert.equal(fast.utilizationThreshold, 0.5);
    assert.equal(fast.parallelDeletions, 100);
    assert.equal(scaled(PROFILES.OPTIMIZE_UTILIZATION, 1000).scanInterval, 100);
    assert.throws(() => scaled(PROFILES.BALANCED, 0), /timeScale must be 1 or more/);
  });
});
