import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { PORTS } from "./dispatcher-deployment";
import { JOB_TOKENS_CONFIG_MAP, JOB_TOKENS_SERVICE, jobTokensHost } from "./job-token-source";
import { jobTokensCertificate } from "./job-tokens-certificate";

/** What the dispatcher's part of job acquisition tokens is made of. */
export interface JobTokensResources {
  /** Of the component; the resources' names begin with it. */
  readonly name: string;
  readonly parent: pulumi.Resource;
  /** The dispatcher's; as an input, and as its plain name. */
  readonly namespace: pulumi.Input<string>;
  readonly namespaceName: string;
  readonly agentsNamespace: string;
  /** Of the dispatcher's pods. */
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccountName: pulumi.Input<string>;
  readonly agentToken: pulumi.Input<string>;
}

/**
 * Right and certificate for job acquisition tokens; nothing of it exists where they are not used.
 *
 * @returns the Secret's name, for the Deployment.
 */
export function createJobTokens(args: JobTokensResources): pulumi.Output<string> {
  const { name, parent, namespace, agentsNamespace } = args;
  createReviewRight(args);
  const certificate = pulumi
    .output(args.agentToken)
    .apply((token) => jobTokensCertificate(token, jobTokensHost(args.namespaceName)));
  // Both under fixed names and changed in place: pods that wait for a node refer to the one, running ones re-read the other.
  const secret = new k8s.core.v1.Secret(
    `${name}-job-tokens-tls`,
    {
      metadata: { name: "buildkite-job-tokens-tls", namespace },
      type: "kubernetes.io/tls",
      stringData: pulumi.secret({ "tls.crt": certificate.certificate, "tls.key": certificate.key }),
    },
    { parent },
  );
  new k8s.core.v1.ConfigMap(
    `${name}-job-tokens-ca`,
    {
      metadata: { name: JOB_TOKENS_CONFIG_MAP, namespace: agentsNamespace },
      // Public, though what it was derived from is not.
      data: { "ca.crt": pulumi.unsecret(certificate.certificate) },
    },
    { parent },
  );
  return secret.metadata.name;
}

/** In the cluster only, whatever the Service for webhooks is. */
export function createJobTokensService(
  { name, parent, namespace, labels }: Pick<JobTokensResources, "name" | "parent" | "namespace" | "labels">,
  deployment: k8s.apps.v1.Deployment,
): void {
  new k8s.core.v1.Service(
    `${name}-job-tokens-service`,
    {
      metadata: { name: JOB_TOKENS_SERVICE, namespace },
      spec: {
        type: "ClusterIP",
        selector: { ...labels },
        ports: [{ name: "job-tokens", port: 443, targetPort: PORTS.jobTokens }],
      },
    },
    // The provider waits for an endpoint: without pods on their way it would wait for nothing.
    { parent, dependsOn: [deployment] },
  );
}

/** The one right outside of the agents' namespace: asking whose a token is. It reads and changes nothing. */
function createReviewRight({ name, parent, namespace, serviceAccountName }: JobTokensResources): void {
  const role = new k8s.rbac.v1.ClusterRole(
    `${name}-token-review`,
    { rules: [{ apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] }] },
    { parent },
  );
  new k8s.rbac.v1.ClusterRoleBinding(
    `${name}-token-review-binding`,
    {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
      subjects: [{ kind: "ServiceAccount", name: serviceAccountName, namespace }],
    },
    { parent },
  );
}
