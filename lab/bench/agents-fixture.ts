import {
  ACTIVE_DEADLINE_ANNOTATION,
  MANAGED_BY_LABEL,
  PROJECT,
  SAFE_TO_EVICT_ANNOTATION,
  TEMPLATE_LABEL,
  TTL_ANNOTATION,
} from "../../components/contract";
import type { PodTemplateObject } from "../../components/stamp";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";

/** A namespace with what a dispatcher needs of it, without the Pulumi program: for tests and measurements of the dispatcher alone. */
export interface AgentsFixture {
  namespace: string;
  template: PodTemplateObject;
  /** Of a service account with exactly the dispatcher's rights; good for an hour. */
  token: string;
  jobsPath: string;
  podsPath: string;
  templatePath: string;
  /** Makes the namespace and what is in it anew, once it is gone. A service account in a namespace of its own stays. */
  restore(): Promise<void>;
  /** Removes the namespace; does not wait for it. */
  remove(): Promise<void>;
}

const SERVICE_ACCOUNT = "webhook-dispatcher";

/** What the dispatcher's Role allows: the same as the component's. */
const RULES = [
  { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "get", "list", "watch", "delete"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "delete"] },
  { apiGroups: [""], resources: ["podtemplates"], verbs: ["get", "list", "watch"] },
  { apiGroups: [""], resources: ["events"], verbs: ["list"] },
];

/**
 * Makes the namespace and what is in it.
 *
 * @param podSpec of the PodTemplate.
 * @param accountNamespace where the dispatcher's service account lives: a namespace of its own, made here too, as in a
 * real installation; default: with the agents.
 */
export async function createAgentsFixture(
  client: KubernetesClient,
  namespace: string,
  templateName: string,
  podSpec: unknown,
  accountNamespace = namespace,
): Promise<AgentsFixture> {
  const core = `/api/v1/namespaces/${namespace}`;
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  const accounts = `/api/v1/namespaces/${accountNamespace}/serviceaccounts`;
  const metadata = { name: SERVICE_ACCOUNT };
  const create = async (): Promise<PodTemplateObject> => {
    await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
    if (accountNamespace === namespace) {
      await client.request("POST", accounts, { body: { metadata } });
    }
    await client.request("POST", `${rbac}/roles`, { body: { metadata, rules: RULES } });
    await client.request("POST", `${rbac}/rolebindings`, {
      body: {
        metadata,
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: SERVICE_ACCOUNT },
        subjects: [{ kind: "ServiceAccount", name: SERVICE_ACCOUNT, namespace: accountNamespace }],
      },
    });
    const annotations = { [ACTIVE_DEADLINE_ANNOTATION]: "21600", [TTL_ANNOTATION]: "600" };
    return await client.request<PodTemplateObject>("POST", `${core}/podtemplates`, {
      body: {
        metadata: { name: templateName, annotations },
        template: {
          metadata: {
            labels: { [MANAGED_BY_LABEL]: PROJECT, [TEMPLATE_LABEL]: templateName },
            annotations: { [SAFE_TO_EVICT_ANNOTATION]: "false" },
          },
          spec: podSpec,
        },
      },
    });
  };
  if (accountNamespace !== namespace) {
    await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: accountNamespace } } });
    await client.request("POST", accounts, { body: { metadata } });
  }
  const template = await create();
  const request = await client.request<{ status: { token: string } }>("POST", `${accounts}/${SERVICE_ACCOUNT}/token`, {
    body: { spec: { expirationSeconds: 3600 } },
  });
  return {
    namespace,
    template,
    token: request.status.token,
    jobsPath: `/apis/batch/v1/namespaces/${namespace}/jobs`,
    podsPath: `${core}/pods`,
    templatePath: `${core}/podtemplates/${templateName}`,
    restore: async () => {
      await create();
    },
    remove: async () => {
      for (const name of new Set([namespace, accountNamespace])) {
        await client.request("DELETE", `/api/v1/namespaces/${name}`).catch((error: unknown) => {
          // It is gone, or on its way.
          if (!(error instanceof KubernetesError && (error.status === 404 || error.status === 409))) {
            throw error;
          }
        });
      }
    },
  };
}
