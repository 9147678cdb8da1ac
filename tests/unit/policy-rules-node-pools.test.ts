import { agentsPoolTaint } from "../../policy/rules/agents-pool-taint";
import { poolTotalLimits } from "../../policy/rules/pool-total-limits";
import { allows, refuses } from "../policy/verdicts";
import { resource } from "../support/manifests";

describe("the policy pack's rules on node pools", () => {
  const TYPE = "gcp:container/nodePool:NodePool";
  const taints = [{ key: "buildkite", value: "agents", effect: "NO_SCHEDULE" }];

  it("pool-total-limits: refuses limits per zone, in a cluster's own pools, too", () => {
    allows(poolTotalLimits, resource(TYPE, "a", { autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 4 } }));
    const perZone = { autoscaling: { minNodeCount: 0, maxNodeCount: 4 } };
    refuses(poolTotalLimits, resource(TYPE, "a", perZone), /NodePool a: autoscaling has minNodeCount and maxNodeCount/);
    const cluster = resource("gcp:container/cluster:Cluster", "c", { nodePools: [{}, perZone] });
    refuses(poolTotalLimits, cluster, /Cluster c: nodePools\[1\]\.autoscaling has/);
  });

  it("agents-pool-taint: refuses an agents' pool that anything may land on", () => {
    const component = "buildkite-scale-to-zero:index:AgentNodePool$";
    refuses(agentsPoolTaint, resource(TYPE, "a", { nodeConfig: {} }, component), /has no taint of effect/);
    refuses(agentsPoolTaint, resource(TYPE, "buildkite", {}), /NodePool buildkite: nodeConfig\.taints/);
    const soft = { nodeConfig: { labels: { team: "buildkite-agents" }, taints: [{ effect: "PREFER_NO_SCHEDULE" }] } };
    refuses(agentsPoolTaint, resource(TYPE, "a", soft), /NO_SCHEDULE or NO_EXECUTE/);
    allows(agentsPoolTaint, resource(TYPE, "a", { nodeConfig: { taints } }, component));
    allows(agentsPoolTaint, resource(TYPE, "system", { nodeConfig: { labels: { pool: "system" } } }));
  });
});
