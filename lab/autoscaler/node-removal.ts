import { setTimeout as sleep } from "node:timers/promises";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import { DELETION_TAINT, type NodeObject } from "./node";
import { podState, type PodObject, type PodState } from "./pod";

const NODES = "/api/v1/nodes";
const POLL_MS = 200;

/** Looks at the pods found on a node once no more can come; text keeps the node after all. */
export type Objection = (pods: readonly PodState[]) => string | undefined;

/** How a node is taken away. */
export interface RemovalOptions {
  readonly client: KubernetesClient;
  readonly signal: AbortSignal;
  /** How long evicted pods may take to end. */
  readonly graceMs: number;
  readonly objection: Objection;
  /** What becomes of a pod whose eviction a disruption budget forbids: it keeps its place until `graceMs` are over, or not. */
  readonly budgets: "honoured" | "ignored";
}

/**
 * Taints the node, asks the API server what runs on it now, evicts that, waits until it has ended and deletes the Node.
 *
 * @returns undefined when the node is gone, else why it stayed (its taint is taken off again).
 */
export async function removeNode(name: string, options: RemovalOptions): Promise<string | undefined> {
  const { client, signal, graceMs, objection, budgets } = options;
  if (!(await taint(client, name, true, signal))) {
    return undefined;
  }
  // Between the decision and the taint the scheduler may have bound a pod here: only a live look can tell.
  const pods = await livePods(client, name, signal);
  const reason = objection(pods);
  if (reason !== undefined) {
    await taint(client, name, false, signal);
    return reason;
  }
  const deadline = Date.now() + graceMs;
  let left = pods.filter((pod) => !pod.terminal && pod.controller !== "DaemonSet" && !pod.mirror);
  while (left.length > 0 && Date.now() < deadline) {
    await Promise.all(
      left.filter((pod) => pod.deletionDue === undefined).map((pod) => evict(client, pod, budgets, signal)),
    );
    await sleep(POLL_MS, undefined, { signal });
    left = (await livePods(client, name, signal)).filter(
      (pod) => !pod.terminal && pod.controller !== "DaemonSet" && !pod.mirror,
    );
  }
  // What is still here dies with the machine; the pod garbage collector finds it, as after any lost machine.
  await ignoring(404, client.request("DELETE", `${NODES}/${name}`, { signal }));
  return undefined;
}

async function livePods(client: KubernetesClient, node: string, signal: AbortSignal): Promise<PodState[]> {
  const list = await client.request<{ items: PodObject[] }>("GET", "/api/v1/pods", {
    query: { fieldSelector: `spec.nodeName=${node}` },
    signal,
  });
  return list.items.map(podState);
}

async function evict(
  client: KubernetesClient,
  pod: PodState,
  budgets: RemovalOptions["budgets"],
  signal: AbortSignal,
): Promise<void> {
  const body = {
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: { name: pod.name, namespace: pod.namespace },
  };
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
  try {
    await ignoring(404, client.request("POST", `${path}/eviction`, { body, signal }));
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.status !== 429) {
      throw error;
    }
    // A disruption budget says not now: the loop asks again.
    if (budgets === "ignored") {
      await ignoring(404, client.request("DELETE", path, { signal }));
    }
  }
}

/**
 * Rule 14: puts the deletion taint on or takes it off; repeated when somebody else changed the node in between.
 *
 * @returns false when there is no such node.
 */
async function taint(client: KubernetesClient, name: string, on: boolean, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const node = await client.request<NodeObject>("GET", `${NODES}/${name}`, { signal });
      const others = (node.spec?.taints ?? []).filter(({ key }) => key !== DELETION_TAINT);
      const mine = { key: DELETION_TAINT, value: String(Math.floor(Date.now() / 1000)), effect: "NoSchedule" };
      await client.request("PATCH", `${NODES}/${name}`, {
        contentType: "application/merge-patch+json",
        body: {
          metadata: { resourceVersion: node.metadata.resourceVersion },
          spec: { taints: on ? [...others, mine] : others },
        },
        signal,
      });
      return true;
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) {
        return false;
      }
      if (!(error instanceof KubernetesError) || error.status !== 409 || attempt >= 5) {
        throw error;
      }
    }
  }
}

async function ignoring(status: number, request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.status !== status) {
      throw error;
    }
  }
}
