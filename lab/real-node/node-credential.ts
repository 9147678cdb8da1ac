import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { KubernetesError } from "../../dispatcher/kubernetes/client";

const name = "node-bootstrapper";
const namespace = "kube-system";

/**
 * A token with which a kubelet may ask for a node's certificate, and which the controller manager approves by itself: as in
 * a real cluster, with a service account in place of the cloud's own credential.
 */
export async function createBootstrapToken(client: KubernetesClient, signal?: AbortSignal): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  const create = async (path: string, body: object) => {
    try {
      await client.request("POST", path, { body, ...options });
    } catch (error) {
      // Another node was first.
      if (!(error instanceof KubernetesError && error.status === 409)) throw error;
    }
  };
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
  for (const [suffix, role] of [
    ["", "system:node-bootstrapper"],
    ["-approval", "system:certificates.k8s.io:certificatesigningrequests:nodeclient"],
  ] as const) {
    await create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
      metadata: { name: `${name}${suffix}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    });
  }
  const review = await client.request<{ status: { token: string } }>(
    "POST",
    `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    { body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} }, ...options },
  );
  return review.status.token;
}
