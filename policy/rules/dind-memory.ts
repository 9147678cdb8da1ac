import { podRunsDockerd } from "../dind";
import { type Fields, fieldsAt, has } from "../fields";
import { podOf, type ReviewedPod } from "../pods";
import { type Rule, titleOf } from "../rule";

const REQUEST = "resources.requests.memory";
const LIMIT = "resources.limits.memory";

/** Each container beside a Docker daemon, and the daemon, has bounded memory. */
export const dindMemory: Rule = {
  name: "dind-memory-limits",
  description: "Every container of a pod that runs docker:dind has a memory request and a memory limit.",
  severity: "high",
  faultsOf(resource) {
    const pod = podOf(resource);
    if (pod === undefined || !podRunsDockerd(pod)) {
      return [];
    }
    const unbounded = unboundedIn(pod);
    if (unbounded.length === 0) {
      return [];
    }
    const containers = unbounded.map(({ name, lacks }) => `container ${name} has no ${lacks.join(" and no ")}`);
    const reasons = [
      ...(unbounded.some(({ lacks }) => lacks.includes(LIMIT))
        ? ["dind without a limit let builds freeze whole nodes, twice for one team (artifact-keeper-iac #187, #191)"]
        : []),
      ...(unbounded.some(({ lacks }) => lacks.includes(REQUEST))
        ? ["without a request the autoscaler packs pods onto a node that cannot hold them"]
        : []),
    ];
    return [
      `${titleOf(resource)}: ${containers.join("; ")}: ${reasons.join(", and ")}. Fix: resources: ` +
        "{requests: {memory: 6Gi}, limits: {memory: 6Gi}}, requests small enough for the pool's machine type.",
    ];
  },
};

interface Unbounded {
  readonly name: string;
  readonly lacks: readonly string[];
}

/** Containers that Kubernetes gives no request or no limit, after the defaults of its API (SetDefaults_Pod). */
function unboundedIn({ spec, containers }: ReviewedPod): readonly Unbounded[] {
  // A container's limit is also its request, unless it has one.
  const requests = (fields: Fields) => hasMemory(fields, "requests") || hasMemory(fields, "limits");
  // For a pod (1.34 and newer) the containers' requests are added up, and only where none has one its limit is taken.
  const podRequests =
    hasMemory(spec, "requests") || (hasMemory(spec, "limits") && !containers.some(({ fields }) => requests(fields)));
  return containers
    .map(({ name, fields }) => ({
      name,
      lacks: [
        ...(podRequests || requests(fields) ? [] : [REQUEST]),
        ...(hasMemory(spec, "limits") || hasMemory(fields, "limits") ? [] : [LIMIT]),
      ],
    }))
    .filter(({ lacks }) => lacks.length > 0);
}

function hasMemory(owner: Fields, kind: "requests" | "limits"): boolean {
  return has(fieldsAt(owner, "resources", kind), "memory");
}
