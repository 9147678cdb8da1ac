import type { NodeState } from "../../lab/autoscaler/node";
import type { PodState } from "../../lab/autoscaler/pod";

export const GIB = 2 ** 30;

/** A ready node with 4 cores, 16 GiB and 100 GiB of disk. */
export function aNode(name: string, more: Partial<NodeState> = {}): NodeState {
  return {
    name,
    labels: {},
    annotations: {},
    taints: [],
    allocatable: { cpu: 4000, memory: 16 * GIB, ephemeralStorage: 100 * GIB },
    maxPods: 110,
    ready: true,
    unschedulable: false,
    ...more,
  };
}

/** A Job's pod that requests 1 core and 1 GiB, bound to node `n`. */
export function aPod(name: string, more: Partial<PodState> = {}): PodState {
  return {
    uid: name,
    namespace: "default",
    name,
    labels: {},
    annotations: {},
    nodeName: "n",
    terminal: false,
    unschedulable: false,
    requests: { cpu: 1000, memory: GIB, ephemeralStorage: 0 },
    nodeSelector: {},
    nodeAffinity: [],
    tolerations: [],
    priority: 0,
    controller: "Job",
    mirror: false,
    localStorage: false,
    createdAt: 0,
    deletionDue: undefined,
    ...more,
  };
}
