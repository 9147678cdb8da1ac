import https from "node:https";
import { JOB_TOKEN_AUDIENCE, JOB_TOKEN_PATH } from "../../components/contract";
import { jobTokensCertificate } from "../../components/job-tokens-certificate";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { ObjectMeta } from "../../dispatcher/kubernetes/objects";

const { certificate, key } = jobTokensCertificate("bkct_of_the_job_token_tests", "127.0.0.1");

/** For a dispatcher of the tests; derived as a stack's is. */
export const JOB_TOKENS_TLS = { cert: certificate, key };

/** What a pod is answered. */
export interface JobTokenReply {
  readonly status: number;
  readonly text: string;
  readonly retryAfter?: string;
}

/** What the init container does once: shows a service account token. Trusts the one certificate only. */
export function askForJobToken(port: number, token: string): Promise<JobTokenReply> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: JOB_TOKEN_PATH, method: "POST", ca: certificate, agent: false };
    const request = https.request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.once("error", reject).once("end", () => {
        resolve({ status: response.statusCode ?? 0, text, retryAfter: response.headers["retry-after"] });
      });
    });
    request.once("error", reject).end(token);
  });
}

/** A token of service account `default`, as a kubelet asks for it for a projected volume: bound to the pod. */
export async function projectedToken(
  client: KubernetesClient,
  namespace: string,
  pod: Pick<ObjectMeta, "name" | "uid"> | undefined,
  audience: string = JOB_TOKEN_AUDIENCE,
): Promise<string> {
  const bound = pod && { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: pod.name, uid: pod.uid } };
  const answer = await client.request<{ status: { token: string } }>(
    "POST",
    `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`,
    { body: { spec: { audiences: [audience], expirationSeconds: 600, ...bound } } },
  );
  return answer.status.token;
}

/** The right to create TokenReviews for the dispatcher of that namespace, as the component gives it; returns its removal. */
export async function allowTokenReviews(client: KubernetesClient, namespace: string): Promise<() => Promise<void>> {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const metadata = { name: `token-review-${namespace}` };
  const rules = [{ apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] }];
  await client.request("POST", `${rbac}/clusterroles`, { body: { metadata, rules } });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: metadata.name };
  const subjects = [{ kind: "ServiceAccount", name: "webhook-dispatcher", namespace }];
  await client.request("POST", `${rbac}/clusterrolebindings`, { body: { metadata, roleRef, subjects } });
  return async () => {
    await client.request("DELETE", `${rbac}/clusterrolebindings/${metadata.name}`);
    await client.request("DELETE", `${rbac}/clusterroles/${metadata.name}`);
  };
}
