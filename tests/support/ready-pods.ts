import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { until } from "./until";

interface PodList {
  readonly items: readonly { metadata: { name: string }; status?: { phase?: string } }[];
}

/**
 * Says of the dispatcher's pods that they are ready, as a kubelet would: kwok leaves them alone, and `up` waits for them.
 *
 * @returns when `count` pods of the namespace are so.
 */
export async function readyPods(client: KubernetesClient, namespace: string, count: number): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  let addresses = 0;
  const now = new Date().toISOString();
  const conditions = ["Ready", "ContainersReady"].map((type) => ({ type, status: "True", lastTransitionTime: now }));
  await until(
    `${count} pods in ${namespace}`,
    async () => {
      const { items } = await client.request<PodList>("GET", path);
      for (const { metadata, status } of items) {
        // An address, too, or its Service would have no endpoint.
        const podIP = `10.99.0.${++addresses}`;
        if (status?.phase !== "Running") {
          await client.request("PATCH", `${path}/${metadata.name}/status`, {
            body: { status: { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions } },
            contentType: "application/strategic-merge-patch+json",
          });
        }
      }
      return items.length >= count;
    },
    180,
  );
}
