import { POOL_LABEL } from "../../components/contract";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";

/** Nodes that kwok plays, by name. */
export interface PlayedNodes {
  readonly names: readonly string[];
  /** Removes them; does not wait for their pods. */
  remove(): Promise<void>;
}

/** Far more than the pods of a node ask for: only their number is bounded. */
const RESOURCES = { cpu: "200", memory: "800Gi", "ephemeral-storage": "5000Gi" };

/**
 * Makes nodes of a pool.
 *
 * @param pool value of the pool label; also the first part of their names.
 * @param podsEach how many pods each takes, one number for each node.
 */
export async function createNodes(
  admin: KubernetesClient,
  pool: string,
  podsEach: readonly number[],
): Promise<PlayedNodes> {
  const names: string[] = [];
  const remove = async (): Promise<void> => {
    for (const name of names) {
      await admin.request("DELETE", `/api/v1/nodes/${name}`).catch((error: unknown) => {
        if (!(error instanceof KubernetesError && error.status === 404)) {
          throw error;
        }
      });
    }
  };
  try {
    for (const [index, pods] of podsEach.entries()) {
      const resources = { ...RESOURCES, pods: String(pods) };
      const metadata = {
        name: `${pool}-${index}`,
        labels: { [POOL_LABEL]: pool },
        annotations: { "kwok.x-k8s.io/node": "fake" },
      };
      await admin.request("POST", "/api/v1/nodes", {
        body: { metadata, status: { allocatable: resources, capacity: resources } },
      });
      names.push(metadata.name);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { names, remove };
}
