import assert from "node:assert/strict";
import { PoolDecisions, PROFILES, type ClusterView } from "../../lab/autoscaler";
import type { NodeState } from "../../lab/autoscaler/node";
import type { PodState } from "../../lab/autoscaler/pod";
import { GKE_POOL_LABEL, type PoolSpec } from "../../lab/autoscaler/pool";
import { aNode, aPod } from "../support/autoscaler-objects";

const MINUTE = 60_000;
const POOL: PoolSpec = {
  ...{ name: "builds", cluster: "c", location: "us-central1-a", zones: ["us-central1-a"] },
  ...{ minNodes: 0, maxNodes: 2, initialNodes: 0, machineType: "e2-standard-4", diskGib: 100, maxPodsPerNode: 110 },
  ...{ labels: {}, taints: [] },
};
const SAFE = { annotations: { "cluster-autoscaler.kubernetes.io/safe-to-evict": "false" } };

const waiting = (name: string): PodState => aPod(name, { ...SAFE, nodeName: undefined, unschedulable: true });
const member = (name: string): NodeState => aNode(name, { labels: { [GKE_POOL_LABEL]: POOL.name } });
const view = (pods: readonly PodState[], nodes: readonly NodeState[] = []): ClusterView => ({
  ...{ pods, nodes, removing: new Set<string>() },
});
const absent = (): undefined => undefined;

describe("the autoscaler model: decisions without a clock", () => {
  it("asks for a node, waits for it, and asks for no second one meanwhile", () => {
    const decisions = new PoolDecisions(PROFILES.BALANCED);
    assert.equal(decisions.nextChange(0), Infinity);
    assert.equal(decisions.grow(POOL, view([waiting("a")]), 0).count, 1);
    decisions.order(POOL, 1, 0);
    assert.equal(decisions.grow(POOL, view([waiting("a")]), 10_000).count, 0);
    assert.equal(decisions.nextChange(10_000), 90_000);
    assert.equal(decisions.boot(POOL, absent, 89_999).due.length, 0);
    const [machine] = decisions.boot(POOL, absent, 90_000).due;
    assert.ok(machine !== undefined);
    machine.registered = true;
    assert.equal(decisions.nextChange(90_000), 15 * MINUTE);
    const { ready } = decisions.boot(POOL, member, 95_000);
    assert.deepEqual(ready, [machine.name]);
    assert.equal(decisions.nextChange(95_000), Infinity);
  });

  it("counts machines that boot against the maximum", () => {
    const decisions = new PoolDecisions(PROFILES.BALANCED);
    decisions.order(POOL, 2, 0);
    assert.equal(decisions.members(POOL.name, []).length, 2);
    const crowd = Array.from({ length: 30 }, (_, index) => waiting(String(index)));
    assert.equal(decisions.grow(POOL, view(crowd), 1).count, 0);
  });

  it("leaves a pool alone whose machine failed, until the back-off is over", () => {
    const decisions = new PoolDecisions(PROFILES.BALANCED);
    decisions.order(POOL, 1, 0);
    const failedAt = 15 * MINUTE;
    assert.equal(decisions.boot(POOL, absent, failedAt).failed.length, 1);
    assert.equal(decisions.nextChange(failedAt), 20 * MINUTE);
    assert.equal(decisions.grow(POOL, view([waiting("a")]), failedAt).count, 0);
    assert.equal(decisions.grow(POOL, view([waiting("a")]), 20 * MINUTE).count, 1);
  });

  it("removes an idle node when its time has come, and says when that is", () => {
    const decisions = new PoolDecisions(PROFILES.OPTIMIZE_UTILIZATION);
    const nodes = [member("n")];
    assert.deepEqual(decisions.shrink(POOL, view([], nodes), 5_000), []);
    const due = decisions.nextChange(5_000);
    assert.equal(due, 65_000);
    assert.deepEqual(decisions.shrink(POOL, view([], nodes), due - 1), []);
    assert.deepEqual(decisions.shrink(POOL, view([], nodes), due), [{ node: "n", evict: [] }]);
  });

  it("keeps it after all for a pod that came in between, but not for one that has ended or was to be moved", () => {
    const decisions = new PoolDecisions(PROFILES.OPTIMIZE_UTILIZATION);
    const removal = { node: "n", evict: [aPod("moved")] };
    assert.equal(decisions.objection(removal, [aPod("moved"), aPod("over", { terminal: true })], 0), undefined);
    assert.equal(decisions.objection(removal, [aPod("new")], 0), "default/new came in between");
    assert.equal(decisions.objection(removal, [aPod("build", SAFE)], 0), "default/build came in between");
  });

  it("deletes no node for a while after a removal failed", () => {
    const decisions = new PoolDecisions(PROFILES.BALANCED);
    const nodes = [member("n"), member("o")];
    decisions.shrink(POOL, view([], nodes), 0);
    decisions.stayed("n", 10 * MINUTE);
    assert.deepEqual(decisions.shrink(POOL, view([], nodes), 10 * MINUTE), []);
    assert.equal(decisions.nextChange(10 * MINUTE), 13 * MINUTE);
    assert.deepEqual(decisions.shrink(POOL, view([], nodes), 13 * MINUTE), [{ node: "o", evict: [] }]);
  });
});
