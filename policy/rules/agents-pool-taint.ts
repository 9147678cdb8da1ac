import { elementsOf, type Fields, fieldsAt, fieldsOf, textOf } from "../fields";
import { nodePoolsOf } from "../node-pools";
import { type ReviewedResource, type Rule, titleOf } from "../rule";

/** Nothing but builds lands on the builds' nodes. */
export const agentsPoolTaint: Rule = {
  name: "agents-pool-taint",
  description: "A node pool for build agents is tainted.",
  severity: "high",
  faultsOf(resource) {
    return nodePoolsOf(resource).flatMap(({ path, pool }) =>
      isForAgents(resource, pool) && !keepsOthersAway(pool)
        ? [
            `${titleOf(resource)}: ${path}nodeConfig.taints has no taint of effect NO_SCHEDULE or NO_EXECUTE. Whatever else ` +
              "is scheduled there keeps the node from going away, and is one privileged container away from every build: dind " +
              "is root on its node; on shared nodes consolidation evicted running builds (agent-stack-k8s #235, ARC #1581). " +
              'Fix: taints: [{key: "buildkite", value: "agents", effect: "NO_SCHEDULE"}] and the toleration on the build pods.',
          ]
        : [],
    );
  },
};

/** By its component, its labels or its name. */
function isForAgents({ urn, name }: ReviewedResource, pool: Fields): boolean {
  const labels = fieldsAt(pool, "nodeConfig", "labels");
  return (
    urn.includes(":AgentNodePool$") ||
    /buildkite/i.test(name) ||
    Object.keys(labels).some((key) => /buildkite/i.test(key) || /buildkite/i.test(textOf(labels[key]) ?? ""))
  );
}

function keepsOthersAway(pool: Fields): boolean {
  return elementsOf(fieldsAt(pool, "nodeConfig")["taints"]).some((taint) =>
    ["NO_SCHEDULE", "NO_EXECUTE"].includes(textOf(fieldsOf(taint)["effect"]) ?? ""),
  );
}
