import { poolTotalLimits } from "../../policy/rules/pool-total-limits";
import { allows, refuses } from "../policy/verdicts";
import { resource } from "../support/manifests";

describe("pool-total-limits", () => {
  it("refuses limits per zone, in a cluster's own pools, too", () => {
    const TYPE = "gcp:container/nodePool:NodePool";
    allows(poolTotalLimits, resource(TYPE, "a", { autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 4 } }));
    const perZone = { autoscaling: { minNodeCount: 0, maxNodeCount: 4 } };
    refuses(poolTotalLimits, resource(TYPE, "a", perZone), /NodePool a: autoscaling has minNodeCount and maxNodeCount/);
    const cluster = resource("gcp:container/cluster:Cluster", "c", { nodePools: [{}, perZone] });
    refuses(poolTotalLimits, cluster, /Cluster c: nodePools\[1\]\.autoscaling has/);
  });
});
