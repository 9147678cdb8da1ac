import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { Machine } from "./machines";
import type { NodeState } from "./node";
import { nodeObject } from "./node-object";
import type { PoolSpec } from "./pool";

/** Makes the Node objects of machines that have booted. @throws as the client, and the machine counts as not registered. */
export async function registerNodes(
  client: KubernetesClient,
  pool: PoolSpec,
  template: NodeState,
  due: readonly Machine[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    due.map(async (machine) => {
      const body = nodeObject(pool, template, machine.name, machine.zone);
      machine.registered = true;
      try {
        await client.request("POST", "/api/v1/nodes", { body, signal });
      } catch (error) {
        machine.registered = false;
        throw error;
      }
    }),
  );
}
