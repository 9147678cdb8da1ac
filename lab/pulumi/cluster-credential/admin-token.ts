import { setTimeout as delay } from "node:timers/promises";
import { KubernetesError, type KubernetesClient } from "../../../dispatcher/kubernetes/client";

const NAMESPACE = "kube-system";
const NAME = "lab-administrator";

/**
 * A bearer token of a cluster administrator, good for a day: what the lab's `gke-gcloud-auth-plugin` hands out. The API
 * server itself knows only the lab's client certificates, and on GKE there is no client certificate.
 *
 * @param client a client that may do everything.
 */
export async function createAdminToken(client: KubernetesClient, signal?: AbortSignal): Promise<string> {
  await createUnlessPresent(client, `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: NAME, namespace: NAMESPACE },
  });
  await createUnlessPresent(client, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: NAME },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name: NAME, namespace: NAMESPACE }],
  });
  const answer = await client.request<{ status: { token: string } }>(
    "POST",
    `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${NAME}/token`,
    {
      body: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 24 * 3600 },
      },
      signal,
    },
  );
  return answer.status.token;
}

async function createUnlessPresent(client: KubernetesClient, path: string, body: unknown): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.request("POST", path, { body });
      return;
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 409) {
        return;
      }
      // Right after the API server's start kube-system may not be there yet.
      if (!(error instanceof KubernetesError && error.status === 404) || attempt >= 50) {
        throw error;
      }
      await delay(100);
    }
  }
}
