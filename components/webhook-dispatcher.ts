import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { buildDispatcherBundle } from "../dispatcher/bundle";
import { refuseFaults } from "./argument-rules";
import { BUILDKITE_ENDPOINT } from "./buildkite-endpoint";
import { MANAGED_BY_LABEL, PROJECT } from "./contract";
import { deploymentSpec, PORTS } from "./dispatcher-deployment";
import { settingsOf } from "./dispatcher-settings";
import { IMAGES } from "./images";
import { createJobTokens, createJobTokensService } from "./job-tokens-resources";
import { knownTemplateBindingSpec, knownTemplatePolicySpec } from "./job-policy";
import { loadBalancerAddress, urlOf } from "./load-balancer-address";
import { createTemplateWatch } from "./template-watch";
import { createTlsSecret } from "./tls-secret";
import type { Exposure, WebhookDispatcherArgs } from "./webhook-dispatcher-args";
import { webhookDispatcherFaults } from "./webhook-dispatcher-faults";
import { ingressArgs, serviceArgs, WEBHOOK_PATH } from "./webhook-service";

const LABELS = {
  "app.kubernetes.io/name": PROJECT,
  "app.kubernetes.io/component": "webhook-dispatcher",
} as const;

/**
 * Hears `job.scheduled`, asks Buildkite for what it did not hear of, and creates the Kubernetes Job: a Deployment of stateless replicas in a namespace of its own,
 * with exactly the rights that takes in the agents' namespace, and the policy that refuses Jobs of unknown templates.
 */
export class WebhookDispatcher extends pulumi.ComponentResource {
  /** Address to enter at Buildkite; absent for exposure `none`. In words where a load balancer has none yet. */
  public readonly webhookUrl?: pulumi.Output<string>;
  /** Address for DNS; absent for exposure `none`. In words where a load balancer has none yet. */
  public readonly webhookAddress?: pulumi.Output<string>;
  /** Name of the Service, for port-forwarding and for other exposures than ours. */
  public readonly serviceName: pulumi.Output<string>;
  /** The dispatcher's namespace. */
  public readonly namespace: pulumi.Output<string>;

  private readonly labels: Readonly<Record<string, string>>;

  /** @throws pulumi.InputPropertiesError listing each argument that breaks its rule, before anything is created. */
  constructor(name: string, args: WebhookDispatcherArgs, opts?: pulumi.ComponentResourceOptions) {
    super(`${PROJECT}:index:WebhookDispatcher`, name, args, opts);
    refuseFaults(`WebhookDispatcher ${name}`, webhookDispatcherFaults(args));
    const exposure = args.exposure ?? { type: "none" };
    this.labels = { ...LABELS, "app.kubernetes.io/instance": name };

    this.namespace = this.createNamespace(name, args).metadata.name;
    const guard = this.createKnownTemplatePolicy(name, args);
    const serviceAccount = this.createServiceAccount(name, args, guard);
    createTemplateWatch(name, this);
    this.createNetworkPolicy(name, args);
    const deployment = this.createDeployment(name, args, exposure, serviceAccount);
    this.createDisruptionBudget(name);
    if (args.buildkite?.jobAcquisitionTokens === true) {
      createJobTokensService({ name, parent: this, namespace: this.namespace, labels: this.labels }, deployment);
    }
    const service = this.createService(name, exposure, deployment);
    this.serviceName = service.metadata.name;

    if (exposure.type === "ingress") {
      this.createIngress(name, exposure, service);
      this.webhookUrl = pulumi.output(`https://${exposure.host}${WEBHOOK_PATH}`);
      this.webhookAddress = pulumi.output(exposure.address);
    } else if (exposure.type === "load-balancer") {
      this.webhookAddress = loadBalancerAddress(service.status);
      this.webhookUrl = urlOf(exposure.tls === undefined ? "http" : "https", this.webhookAddress, WEBHOOK_PATH);
    }
    this.registerOutputs({
      webhookUrl: this.webhookUrl,
      webhookAddress: this.webhookAddress,
      serviceName: this.serviceName,
      namespace: this.namespace,
    });
  }

  private createNamespace(name: string, args: WebhookDispatcherArgs): k8s.core.v1.Namespace {
    return new k8s.core.v1.Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: args.namespace,
          labels: {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/enforce-version": "latest",
          },
        },
      },
      { parent: this },
    );
  }

  /** The rights: see what each is for in dispatcher/; nothing outside the agents' namespace, no Secrets, no exec. */
  private createServiceAccount(
    name: string,
    args: WebhookDispatcherArgs,
    guard: pulumi.Resource,
  ): k8s.core.v1.ServiceAccount {
    const account = new k8s.core.v1.ServiceAccount(
      `${name}-service-account`,
      { metadata: { namespace: this.namespace } },
      { parent: this },
    );
    const role = new k8s.rbac.v1.Role(
      `${name}-role`,
      {
        metadata: { namespace: args.agentsNamespace },
        rules: [
          { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "get", "list", "watch", "delete"] },
          { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "delete"] },
          { apiGroups: [""], resources: ["podtemplates"], verbs: ["get", "list", "watch"] },
          { apiGroups: [""], resources: ["events"], verbs: ["list"] },
        ],
      },
      { parent: this },
    );
    new k8s.rbac.v1.RoleBinding(
      `${name}-role-binding`,
      {
        metadata: { namespace: args.agentsNamespace },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
        subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace: this.namespace }],
      },
      // No rights before what keeps them in bounds is in force, nor, at a destroy, after it.
      { parent: this, dependsOn: [guard] },
    );
    return account;
  }

  private createKnownTemplatePolicy(name: string, args: WebhookDispatcherArgs): pulumi.Resource {
    const templates = args.queues.map(({ templateName }) => templateName);
    const policy = new k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
      `${name}-known-templates`,
      { spec: knownTemplatePolicySpec([...new Set(templates)]) },
      { parent: this },
    );
    return new k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
      `${name}-known-templates-binding`,
      { spec: knownTemplateBindingSpec(policy.metadata.name, args.agentsNamespace) },
      { parent: this },
    );
  }

  /** In: webhooks and probes from anywhere, metrics from the cluster. Out: DNS, the API server and Buildkite. */
  private createNetworkPolicy(name: string, args: WebhookDispatcherArgs): void {
    const buildkite = new URL(args.buildkite?.endpoint ?? BUILDKITE_ENDPOINT);
    const standard = buildkite.protocol === "https:" ? 443 : 80;
    const out = new Set([443, 6443, buildkite.port === "" ? standard : Number(buildkite.port)]);
    new k8s.networking.v1.NetworkPolicy(
      `${name}-network-policy`,
      {
        metadata: { namespace: this.namespace },
        spec: {
          podSelector: { matchLabels: { ...this.labels } },
          policyTypes: ["Ingress", "Egress"],
          ingress: [
            { ports: [{ port: PORTS.webhook, protocol: "TCP" }] },
            { from: [{ namespaceSelector: {} }], ports: [{ port: PORTS.operations, protocol: "TCP" }] },
            ...(args.buildkite?.jobAcquisitionTokens === true ? [jobTokensIngress(args.agentsNamespace)] : []),
          ],
          egress: [
            {
              ports: [
                ...Array.from(out, (port) => ({ port, protocol: "TCP" })),
                { port: 53, protocol: "UDP" },
                { port: 53, protocol: "TCP" },
              ],
            },
          ],
        },
      },
      { parent: this },
    );
  }

  private createDeployment(
    name: string,
    args: WebhookDispatcherArgs,
    exposure: Exposure,
    serviceAccount: k8s.core.v1.ServiceAccount,
  ): k8s.apps.v1.Deployment {
    // Autonamed and immutable: a new bundle or new settings get a new name, and so the Deployment rolls.
    const bundle = this.createConfigMap(`${name}-bundle`, { "dispatcher.js": buildDispatcherBundle().code });
    const settings = this.createConfigMap(`${name}-settings`, {
      "settings.json": JSON.stringify(settingsOf(args), null, 2),
    });
    const webhookSecret = new k8s.core.v1.Secret(
      `${name}-webhook-secret`,
      {
        metadata: { name: "buildkite-webhook", namespace: this.namespace },
        stringData: pulumi.secret({
          current: args.webhookSecret,
          ...(args.previousWebhookSecret === undefined ? {} : { previous: args.previousWebhookSecret }),
        }),
      },
      { parent: this },
    );
    return new k8s.apps.v1.Deployment(
      `${name}-deployment`,
      {
        metadata: { namespace: this.namespace, labels: { ...this.labels } },
        spec: deploymentSpec({
          labels: this.labels,
          replicas: args.replicas ?? 2,
          image: args.nodeImage ?? IMAGES.node,
          serviceAccountName: serviceAccount.metadata.name,
          bundleConfigMap: bundle.metadata.name,
          settingsConfigMap: settings.metadata.name,
          webhookSecret: webhookSecret.metadata.name,
          agentTokenSecret: this.createAgentTokenSecret(name, args),
          tlsSecret: createTlsSecret({ name, parent: this, namespace: this.namespace }, exposure),
          jobTokensTlsSecret: this.createJobTokens(name, args, serviceAccount),
          scrapeAnnotations: args.scrapeAnnotations ?? false,
        }),
      },
      { parent: this },
    );
  }

  /** A fixed name and changed in place: the running pods take up a new token without a restart. */
  private createAgentTokenSecret(
    name: string,
    { buildkite }: WebhookDispatcherArgs,
  ): pulumi.Output<string> | undefined {
    if (buildkite === undefined) {
      return undefined;
    }
    const secret = new k8s.core.v1.Secret(
      `${name}-agent-token`,
      {
        metadata: { name: "buildkite-agent-token", namespace: this.namespace },
        stringData: pulumi.secret({ current: buildkite.agentToken }),
      },
      { parent: this },
    );
    return secret.metadata.name;
  }

  private createJobTokens(
    name: string,
    { namespace: namespaceName, agentsNamespace, buildkite }: WebhookDispatcherArgs,
    serviceAccount: k8s.core.v1.ServiceAccount,
  ): pulumi.Output<string> | undefined {
    if (buildkite?.jobAcquisitionTokens !== true) {
      return undefined;
    }
    return createJobTokens({
      ...{ name, parent: this, namespace: this.namespace, namespaceName, agentsNamespace, labels: this.labels },
      serviceAccountName: serviceAccount.metadata.name,
      agentToken: buildkite.agentToken,
    });
  }

  private createConfigMap(name: string, data: Record<string, string>): k8s.core.v1.ConfigMap {
    return new k8s.core.v1.ConfigMap(
      name,
      { metadata: { namespace: this.namespace }, immutable: true, data },
      { parent: this },
    );
  }

  private createDisruptionBudget(name: string): void {
    new k8s.policy.v1.PodDisruptionBudget(
      `${name}-disruption-budget`,
      {
        metadata: { namespace: this.namespace },
        spec: { maxUnavailable: 1, selector: { matchLabels: { ...this.labels } } },
      },
      { parent: this },
    );
  }

  private createService(name: string, exposure: Exposure, deployment: k8s.apps.v1.Deployment): k8s.core.v1.Service {
    const { annotations, spec } = serviceArgs(exposure, this.labels);
    return new k8s.core.v1.Service(
      `${name}-service`,
      { metadata: { namespace: this.namespace, annotations }, spec },
      // The provider waits for an endpoint: without pods on their way it would wait for nothing.
      { parent: this, dependsOn: [deployment] },
    );
  }

  private createIngress(
    name: string,
    exposure: Extract<Exposure, { type: "ingress" }>,
    service: k8s.core.v1.Service,
  ): void {
    const { annotations, spec } = ingressArgs(exposure, service.metadata.name);
    new k8s.networking.v1.Ingress(
      `${name}-ingress`,
      { metadata: { namespace: this.namespace, annotations }, spec },
      { parent: this },
    );
  }
}

/** Build pods, and nobody else. */
function jobTokensIngress(agentsNamespace: string): k8s.types.input.networking.v1.NetworkPolicyIngressRule {
  const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": agentsNamespace } };
  const podSelector = { matchLabels: { [MANAGED_BY_LABEL]: PROJECT } };
  return { from: [{ namespaceSelector, podSelector }], ports: [{ port: PORTS.jobTokens, protocol: "TCP" }] };
}
