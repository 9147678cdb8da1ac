import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { until } from "./until";

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly status?: { readonly phase?: string };
  }[];
}

/**
 * Plays the kubelet of the dispatcher's pods, which kwok leaves alone, as far as `up` and `destroy` wait for one: each is
 * ready at once, and gone as soon as somebody deletes it. Nothing runs.
 *
 * @param work what needs it; played until that is over.
 */
export async function withDispatcherPods<T>(client: KubernetesClient, namespace: string, work: Promise<T>): Promise<T> {
  const over = work.then(
    () => true,
    () => true,
  );
  let addresses = 0;
  const playing = until(
    "the end of what waits for pods",
    async () => {
      const { items } = await client.request<PodList>("GET", `/api/v1/namespaces/${namespace}/pods`);
      for (const { metadata, status } of items) {
        const path = `/api/v1/namespaces/${namespace}/pods/${metadata.name}`;
        if (metadata.deletionTimestamp !== undefined) {
          await gone(client.request("DELETE", path, { body: { gracePeriodSeconds: 0 } }));
        } else if (status?.phase !== "Running") {
          await gone(start(client, path, `10.99.0.${++addresses}`));
        }
      }
      return Promise.race([over, new Promise<false>((resolve) => setTimeout(resolve, 200, false))]);
    },
    600,
  );
  const [result] = await Promise.all([work, playing]);
  return result;
}

/** With an address, too: without one its Service would have no endpoint. */
async function start(client: KubernetesClient, path: string, podIP: string): Promise<void> {
  const lastTransitionTime = new Date().toISOString();
  const conditions = ["Ready", "ContainersReady"].map((type) => ({ type, status: "True", lastTransitionTime }));
  await client.request("PATCH", `${path}/status`, {
    body: { status: { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions } },
    contentType: "application/strategic-merge-patch+json",
  });
}

/** Somebody else may have been first. */
async function gone(request: Promise<unknown>): Promise<void> {
  await request.catch((error: unknown) => {
    if ((error as { status?: number }).status !== 404) {
      throw error;
    }
  });
}
