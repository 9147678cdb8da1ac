import { randomBytes } from "node:crypto";
import { nodeLabels, type PoolSpec } from "./pool";
import type { NodeState } from "./node";

/** The annotation by which kwok knows the nodes that it plays. */
export const KWOK_NODE_ANNOTATION = "kwok.x-k8s.io/node";

/** A name as GKE gives: cluster and pool, shortened, and a random end. */
export function nodeName(pool: PoolSpec): string {
  const cut = (text: string, length: number): string => text.slice(0, length).replace(/-+$/, "");
  return `gke-${cut(pool.cluster, 15)}-${cut(pool.name, 20)}-${randomBytes(4).toString("hex")}-${randomBytes(2).toString("hex")}`;
}

/** The Node object of a machine that has booted; kwok plays its kubelet. `podCidr` is left to the controller manager. */
export function nodeObject(pool: PoolSpec, template: NodeState, name: string, zone: string): Record<string, unknown> {
  const { cpu, memory, ephemeralStorage } = template.allocatable;
  const resources = {
    cpu: `${cpu}m`,
    memory: String(memory),
    "ephemeral-storage": String(ephemeralStorage),
    pods: String(pool.maxPodsPerNode),
  };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: nodeLabels(pool, name, zone),
      annotations: { [KWOK_NODE_ANNOTATION]: "fake" },
    },
    spec: {
      providerID: `gce://${PROJECT_ID}/${zone}/${name}`,
      taints: pool.taints,
    },
    status: { capacity: resources, allocatable: resources },
  };
}

const PROJECT_ID = "lab";
