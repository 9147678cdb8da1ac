import type { KubernetesClient } from "../dispatcher/kubernetes/client";

/** The untainted node that the dispatcher's pods run on: a GKE cluster always has such a pool. */
export async function createSystemNode(client: KubernetesClient): Promise<void> {
  const capacity = { cpu: "4", memory: "16Gi", pods: "110", "ephemeral-storage": "50Gi" };
  await client.request("POST", "/api/v1/nodes", {
    body: {
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name: "system-1",
        annotations: { "kwok.x-k8s.io/node": "fake" },
        labels: { "kubernetes.io/hostname": "system-1", "topology.kubernetes.io/zone": "europe-west1-b" },
      },
      spec: {},
      status: { capacity, allocatable: capacity },
    },
  });
}
