import { type Fields, fieldsOf, has } from "../fields";
import { nodePoolsOf } from "../node-pools";
import { type Rule, titleOf } from "../rule";

/** The bound on cost is one number. */
export const poolTotalLimits: Rule = {
  name: "pool-total-limits",
  description: "A node pool's autoscaling is bounded in total, not per zone.",
  severity: "high",
  faultsOf(resource) {
    return nodePoolsOf(resource).flatMap(({ path, pool }) => {
      const perZone = perZoneLimits(fieldsOf(pool["autoscaling"]));
      return perZone.length === 0
        ? []
        : [
            `${titleOf(resource)}: ${path}autoscaling has ${perZone.join(" and ")}, which GKE counts per zone. In a regional cluster a ` +
              "maximum of 4 is 12 nodes, three times the bill that was meant, and a minimum of 1 is three nodes that are " +
              "never given back. Fix: totalMinNodeCount: 0, totalMaxNodeCount: <the most nodes in all>, locationPolicy: ANY.",
          ];
    });
  },
};

function perZoneLimits(autoscaling: Fields): string[] {
  return ["minNodeCount", "maxNodeCount"].filter((name) => has(autoscaling, name));
}
