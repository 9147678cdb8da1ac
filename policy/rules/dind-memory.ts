import { podRunsDockerd } from "../dind";
import { fieldsAt, has } from "../fields";
import { podOf } from "../pods";
import { type Rule, titleOf } from "../rule";

/** Each container beside a Docker daemon, and the daemon, has bounded memory. */
export const dindMemory: Rule = {
  name: "dind-memory-limits",
  description: "Every container of a pod that runs docker:dind has a memory request and a memory limit.",
  severity: "high",
  faultsOf(resource) {
    const pod = podOf(resource);
    if (pod === undefined || !podRunsDockerd(pod) || missing(pod.spec).length === 0) {
      return [];
    }
    const unbounded = pod.containers.flatMap(({ name, fields }) => {
      const lacks = missing(fields);
      return lacks.length === 0 ? [] : [`container ${name} has no ${lacks.join(" and no ")}`];
    });
    return unbounded.length === 0
      ? []
      : [
          `${titleOf(resource)}: ${unbounded.join("; ")}. dind without a limit let builds freeze whole nodes, twice for one ` +
            "team (artifact-keeper-iac #187, #191), and without a request the autoscaler packs pods onto a node that cannot " +
            "hold them. Fix: resources: {requests: {memory: 6Gi}, limits: {memory: 6Gi}}, requests small enough for the " +
            "pool's machine type.",
        ];
  },
};

/** Of a container, or of the pod as a whole (Kubernetes 1.34 and newer). */
function missing(owner: Parameters<typeof fieldsAt>[0]): string[] {
  return (["requests", "limits"] as const)
    .filter((kind) => !has(fieldsAt(owner, "resources", kind), "memory"))
    .map((kind) => `resources.${kind}.memory`);
}
