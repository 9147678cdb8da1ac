import {
  ACTIVE_DEADLINE_ANNOTATION,
  MANAGED_BY_LABEL,
  PROJECT,
  SAFE_TO_EVICT_ANNOTATION,
  TEMPLATE_LABEL,
  TTL_ANNOTATION,
} from "../../components/contract";
import type { PodTemplateObject } from "../../components/stamp";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";

/** A namespace with what a dispatcher needs of it, without the Pulumi program: for tests and measurements of the dispatcher alone. */
export interface AgentsFixture {
  namespace: string;
  template: PodTemplateObject;
  /** Of a service account with exactly the dispatcher's rights; good for an hour. */
  token: string;
  jobsPath: string;
  podsPath: string;
  templatePath: string;
  /** Removes the namespace; does not wait for it. */
  remove(): Promise<void>;
}

const SERVICE_ACCOUNT = "webhook-dispatcher";

/** What the dispatcher's Role allows: the same as the component's. */
const RULES = [
  { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "get", "list", "watch", "delete"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "delete"] },
  { apiGroups: [""], resources: ["podtemplates"], verbs: ["get", "list", "watch"] },
  { apiGroups: [""], resources: ["events"], verbs: ["list", "watch"] },
];

/**
 * Makes the namespace and what is in it.
 *
 * @param podSpec of the PodTemplate.
 */
export async function createAgentsFixture(
  client: KubernetesClient,
  namespace: string,
  templateName: string,
  podSpec: unknown,
): Promise<AgentsFixture> {
  const core = `/api/v1/namespaces/${namespace}`;
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
  const metadata = { name: SERVICE_ACCOUNT };
  await client.request("POST", `${core}/serviceaccounts`, { body: { metadata } });
  await client.request("POST", `${rbac}/roles`, { body: { metadata, rules: RULES } });
  await client.request("POST", `${rbac}/rolebindings`, {
    body: {
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: SERVICE_ACCOUNT },
      subjects: [{ kind: "ServiceAccount", name: SERVICE_ACCOUNT, namespace }],
    },
  });
  const template = await client.request<PodTemplateObject>("POST", `${core}/podtemplates`, {
    body: {
      metadata: { name: templateName, annotations: { [ACTIVE_DEADLINE_ANNOTATION]: "21600", [TTL_ANNOTATION]: "600" } },
      template: {
        metadata: {
          labels: { [MANAGED_BY_LABEL]: PROJECT, [TEMPLATE_LABEL]: templateName },
          annotations: { [SAFE_TO_EVICT_ANNOTATION]: "false" },
        },
        spec: podSpec,
      },
    },
  });
  const request = await client.request<{ status: { token: string } }>(
    "POST",
    `${core}/serviceaccounts/${SERVICE_ACCOUNT}/token`,
    { body: { spec: { expirationSeconds: 3600 } } },
  );
  return {
    namespace,
    template,
    token: request.status.token,
    jobsPath: `/apis/batch/v1/namespaces/${namespace}/jobs`,
    podsPath: `${core}/pods`,
    templatePath: `${core}/podtemplates/${templateName}`,
    remove: async () => {
      await client.request("DELETE", `/api/v1/namespaces/${namespace}`);
    },
  };
}
