import { z } from "zod";
import { brokenPoolRules } from "../components/address-pool";
import { LABEL_KEY, LABEL_VALUE } from "../components/argument-rules";
import { ENDPOINT_RULE, isEndpoint } from "../components/buildkite-endpoint";
import { UUID_PATTERN } from "../components/contract";
import { IMAGE_ENTRIES } from "../components/images";
import { brokenMachineTypeRule, DEFAULT_MACHINE_TYPE } from "../components/machine-type";
import { MAX_JOBS_PER_NODE, PODS_PER_NODE, SYSTEM_PODS_PER_NODE } from "../components/pods-per-node";
import { QUANTITY, QUANTITY_RULE } from "../components/quantity";

/**
 * Every key of the stack configuration, once: its type, its bounds, its meaning. config.ts reads a stack with it, the
 * README's table is made from it, and Pulumi.yaml declares those keys that every stack must have.
 */

const DNS_LABEL = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "must be 1 to 63 lower-case letters, digits and dashes");
const LABELS = z.record(
  z.string().regex(LABEL_KEY, "must be a Kubernetes label key"),
  z.string().regex(LABEL_VALUE, "must be a Kubernetes label value"),
);
const SECRET_KEY = z.strictObject({
  secret: z.string().meta({ description: "Name of a Secret in the agents' namespace." }),
  key: z.string().meta({ description: "Key inside it." }),
});
const QUANTITY_TEXT = z.string().regex(QUANTITY, `must be ${QUANTITY_RULE}`);
const CONTAINER_RESOURCES = z.strictObject({
  cpu: QUANTITY_TEXT.meta({ description: "CPU request." }),
  memory: QUANTITY_TEXT.meta({ description: "Memory request and limit." }),
  ephemeralStorage: QUANTITY_TEXT.optional().meta({ description: "Ephemeral storage request." }),
});

/** One queue: its routing and its template. */
export const QUEUE = z.strictObject({
  key: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,100}$/, "must be 1 to 100 letters, digits, - and _ (a Buildkite queue key)")
    .meta({ description: "The queue's key at Buildkite." }),
  default: z.boolean().optional().meta({ description: "Takes the jobs that name no queue. Default false." }),
  // As the dispatcher demands it: another text would only stop its pods, after `up`.
  clusterId: z
    .string()
    .regex(new RegExp(UUID_PATTERN), "must be a lower-case UUID")
    .optional()
    .meta({ description: "UUID of a Buildkite cluster, lower case: only its jobs are taken. Default: any." }),
  tags: z.record(z.string(), z.string()).optional().meta({ description: 'Further agent tags, `docker: "true"`.' }),
  agentMode: z.enum(["acquire", "queue"]).optional().meta({
    description:
      "`acquire`: the pod runs exactly the job it was made for. `queue`: any job of the queue. Default acquire.",
  }),
  sidecar: z.enum(["native", "shared-volume"]).optional().meta({ description: "How dind ends. Default native." }),
  innerCgroups: z.enum(["engine", "pod"]).optional().meta({
    description:
      "`pod`: builds' own containers obey the pod's limits on cgroup v2, too (not proven there yet). Default engine.",
  }),
  agentImage: z
    .string()
    .min(1)
    .optional()
    .meta({ description: `Image of the agent. Default ${IMAGE_ENTRIES.agent.tag}.` }),
  dindImage: z
    .string()
    .min(1)
    .optional()
    .meta({ description: `Image of dind. Default ${IMAGE_ENTRIES.dind.tag}.` }),
  resources: z
    .strictObject({ agent: CONTAINER_RESOURCES, dind: CONTAINER_RESOURCES })
    .optional()
    .meta({ description: "What agent and dind ask for. Default: 0.5 CPU and 1 Gi; 1.5 CPU, 6 Gi and 20 Gi of disk." }),
  timeoutMinutes: z.int().min(1).max(10_080).optional().meta({ description: "A build's time limit. Default 240." }),
  pendingLimitMinutes: z
    .int()
    .min(1)
    .max(10_080)
    .optional()
    .meta({ description: "How long a pod may wait for a node, on top of it; then its Job is made anew. Default 120." }),
  terminationGracePeriodSeconds: z.int().min(15).max(3600).optional().meta({
    description: "From SIGTERM to SIGKILL of a build's pod. Default 60.",
  }),
  env: z
    .record(z.string(), z.string())
    .optional()
    .meta({ description: "Environment of every build, in clear; secrets: `secretEnv`." }),
  secretEnv: z.record(z.string(), SECRET_KEY).optional().meta({ description: "Environment from Secrets." }),
  hooksConfigMap: z.string().optional().meta({ description: "ConfigMap whose keys are agent hooks." }),
  serviceAccountName: z.string().optional().meta({ description: "Service account of the pods (Workload Identity)." }),
  imagePullSecrets: z.array(z.string()).optional().meta({ description: "For pulling the pod's own images." }),
  registryMirrors: z.array(z.string()).optional().meta({ description: "Mirrors for dockerd's pulls from Docker Hub." }),
  defaultAddressPools: z
    .array(
      z.strictObject({ base: z.string(), size: z.int() }).superRefine((pool, context) => {
        for (const { field, rule } of brokenPoolRules(pool)) {
          context.addIssue({ code: "custom", path: [field], message: `must be ${rule}` });
        }
      }),
    )
    .optional()
    .meta({ description: "Address pools for user-defined Docker networks." }),
  dockerGraphSizeLimit: QUANTITY_TEXT.optional().meta({
    description:
      "Most disk for Docker's images, containers and volumes; a build that takes more is evicted. Default 50Gi, or dind's ephemeralStorage where that is more.",
  }),
  buildsSizeLimit: QUANTITY_TEXT.optional().meta({
    description: "The same for checkouts. Default 20Gi, or the agent's ephemeralStorage where that is more.",
  }),
});

/** The stack's keys, without the project's name in front. */
export const TABLE = z.strictObject({
  target: z.enum(["gke", "local"]).meta({ description: "Where to: an existing GKE cluster, or any kubeconfig." }),
  maxNodes: z
    .int()
    .min(1)
    .max(1000)
    .meta({ description: "The most nodes there ever are, over all zones: the bound on cost." }),
  agentToken: z.string().min(1).meta({ description: "Buildkite agent token of the cluster. Secret." }),
  webhookSecret: z.string().min(16, "must be at least 16 characters").meta({
    description: "Token that Buildkite signs webhooks with. Secret, 16 characters or more.",
  }),
  previousWebhookSecret: z.string().min(16, "must be at least 16 characters").optional().meta({
    description: "The former token, accepted as well during a change. Secret.",
  }),
  queues: z.array(QUEUE).min(1).optional().meta({
    description: "The queues to serve, each with its template. Default: one queue `default` with all defaults.",
  }),

  jobsPerNode: z
    .int()
    .min(1)
    .max(MAX_JOBS_PER_NODE)
    .optional()
    .meta({
      description: `Builds that fit on one node: of its ${PODS_PER_NODE} pods ${SYSTEM_PODS_PER_NODE} are left to GKE's own (network, logs, metrics, disks). This times \`maxNodes\` may run or wait for a node; others wait at Buildkite. Default 1.`,
    }),
  reconcileSeconds: z.int().min(2).max(60).optional().meta({
    description: "How often Buildkite is asked for scheduled jobs. Default 10.",
  }),
  webhookOnly: z.boolean().optional().meta({
    description:
      "Never ask Buildkite: a lost webhook is a lost build, and nothing limits the Jobs but jobQuota. Default false.",
  }),
  jobAcquisitionTokens: z.boolean().optional().meta({
    description:
      "Each build pod fetches a token for its own job; the agent token stays out of it (docs/job-acquisition-tokens.md). Never tried on a real organisation. Default false.",
  }),
  buildkiteEndpoint: z.string().refine(isEndpoint, `must be ${ENDPOINT_RULE}`).optional().meta({
    description: "Where Buildkite is asked, for tests and proxies. Default https://agent.buildkite.com/v3.",
  }),

  clusterName: z.string().optional().meta({ description: "gke: name of the existing cluster." }),
  clusterLocation: z.string().optional().meta({ description: "gke: its region or zone." }),
  clusterStack: z.string().optional().meta({
    description: "gke: instead of the two, a stack with outputs `clusterName` and `clusterLocation`.",
  }),
  machineType: z
    .string()
    .superRefine((machineType, context) => {
      const rule = brokenMachineTypeRule(machineType);
      if (rule !== undefined) context.addIssue({ code: "custom", message: `must be ${rule}` });
    })
    .optional()
    .meta({ description: `gke: machine type of the nodes, x86. Default ${DEFAULT_MACHINE_TYPE}.` }),
  spot: z.boolean().optional().meta({ description: "gke: Spot VMs. Default false." }),
  diskSizeGb: z.int().min(20).max(65_536).optional().meta({ description: "gke: boot disk of a node. Default 100." }),
  diskType: z.enum(["pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced"]).optional().meta({
    description: "gke: boot disk type. Default pd-balanced.",
  }),
  zones: z
    .array(z.string().regex(/^[a-z]+-[a-z]+[0-9]+-[a-z]$/, "must be a zone such as europe-west1-b"))
    .min(1)
    .optional()
    .meta({ description: "gke: zones of the nodes. Default: the cluster's." }),
  nodeServiceAccountId: z
    .string()
    .regex(/^[a-z][-a-z0-9]{4,28}[a-z0-9]$/, "must be 6 to 30 lower-case letters, digits and dashes")
    .optional()
    .meta({
      description: "gke: account id of the nodes' service account. Default agents-<stack>.",
    }),

  kubeconfig: z.string().optional().meta({ description: "local: path of the kubeconfig." }),
  context: z.string().optional().meta({ description: "local: its context; never the current one by itself." }),
  allowGkeContext: z.boolean().optional().meta({ description: "local: allow a gke_* context. Default false." }),

  exposure: z.enum(["none", "ingress", "load-balancer"]).optional().meta({
    description:
      "How webhooks arrive: not from outside, by GKE Ingress with certificate, or by LoadBalancer. Default none.",
  }),
  host: z
    .string()
    .regex(/^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/, "must be a DNS name such as builds.example.com")
    .optional()
    .meta({ description: "ingress: the DNS name that Buildkite calls." }),
  internal: z.boolean().optional().meta({ description: "load-balancer: an address of the VPC only. Default false." }),
  tlsCertificate: z.string().optional().meta({
    description: "load-balancer: PEM of the certificate for HTTPS, with its chain.",
  }),
  tlsKey: z.string().optional().meta({ description: "load-balancer: PEM of its key, without a passphrase. Secret." }),

  gitHttpsCredentials: z.string().optional().meta({ description: "Lines `https://user:token@host` for git. Secret." }),
  gitSshKey: z.string().optional().meta({ description: "Private SSH key for git. Secret." }),
  gitKnownHosts: z.string().optional().meta({ description: "known_hosts for gitSshKey." }),

  dispatcherNamespace: DNS_LABEL.optional().meta({ description: "Default buildkite-<stack>-dispatcher." }),
  agentsNamespace: DNS_LABEL.optional().meta({ description: "Default buildkite-<stack>-agents." }),
  dispatcherReplicas: z.int().min(1).max(10).optional().meta({ description: "Replicas of the dispatcher. Default 2." }),
  nodeImage: z
    .string()
    .min(1)
    .optional()
    .meta({ description: `Stock Node image that runs the dispatcher. Default ${IMAGE_ENTRIES.node.tag}.` }),
  jobQuota: z.int().min(10).max(100_000).optional().meta({
    description:
      "The most Jobs there may be, finished ones included: a circuit breaker, at least `maxNodes` × `jobsPerNode`. Default 5000.",
  }),
  monitoring: z.boolean().optional().meta({
    description: "Alert rules and a dashboard as ConfigMaps, and scrape annotations on the dispatcher. Default false.",
  }),
  monitoringNamespace: DNS_LABEL.optional().meta({
    description: "Namespace of these ConfigMaps; it exists already. Default: the dispatcher's.",
  }),
  alertRulesLabels: LABELS.optional().meta({
    description: 'What the sidecar of Prometheus looks for. Default `prometheus_rule: "1"`.',
  }),
  dashboardLabels: LABELS.optional().meta({
    description: 'What the sidecar of Grafana looks for. Default `grafana_dashboard: "1"`.',
  }),
  protect: z.boolean().optional().meta({ description: "Protect the reserved address from deletion. Default false." }),
});

/** Keys that belong to a secret one and are often set like it, though the world may see them: either way is right. */
export const PUBLIC_KEYS: readonly string[] = ["tlsCertificate", "gitKnownHosts"];

/** Keys whose values are secret: set with `pulumi config set --secret`. */
export const SECRET_KEYS = [
  "agentToken",
  "webhookSecret",
  "previousWebhookSecret",
  "gitHttpsCredentials",
  "gitSshKey",
  "tlsKey",
] as const satisfies readonly (keyof z.infer<typeof TABLE>)[];

/** A stack's values as they stand in its file. */
export type StackValues = z.infer<typeof TABLE>;
/** One queue as it stands in the stack's file. */
export type QueueValues = z.infer<typeof QUEUE>;
