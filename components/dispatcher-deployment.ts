import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

/** Ports of the dispatcher's container: webhooks apart from what only the cluster may see. */
export const PORTS = { webhook: 8080, operations: 8081, jobTokens: 8443 } as const;

/** What the dispatcher's container may take. MiB. */
export const MEMORY_LIMIT_MIB = 256;

/** Endpoints drain while this runs: load balancers take some seconds to hear of a pod's end. Seconds. */
const DRAIN_SECONDS = 10;
/** What the dispatcher itself may take to finish what it acknowledged. Seconds. */
const FINISH_SECONDS = 25;

/** What Prometheus' usual configuration for pods goes by. */
const SCRAPE_ANNOTATIONS = {
  "prometheus.io/scrape": "true",
  "prometheus.io/port": String(PORTS.operations),
  "prometheus.io/path": "/metrics",
} as const;

/**
 * A heap that ends before the container's limit does: a clear error instead of a kill. And a small young generation: with
 * Node's own a burst over 1,000 connections leaves 50 MiB more resident.
 */
export const NODE_OPTIONS = "--max-old-space-size=160 --max-semi-space-size=4";

const SETTINGS_PATH = "/etc/dispatcher/settings";
const WEBHOOK_SECRETS_PATH = "/etc/dispatcher/webhook";
const AGENT_TOKEN_PATH = "/etc/dispatcher/agent-token";
const TLS_PATH = "/etc/dispatcher/tls";
const JOB_TOKENS_TLS_PATH = "/etc/dispatcher/job-tokens-tls";
const BUNDLE_PATH = "/opt/dispatcher";

/** What the Deployment's builder needs; names only, so that it stays pure. */
export interface DispatcherDeployment {
  readonly labels: Readonly<Record<string, string>>;
  readonly replicas: number;
  readonly image: string;
  readonly serviceAccountName: pulumi.Input<string>;
  readonly bundleConfigMap: pulumi.Input<string>;
  readonly settingsConfigMap: pulumi.Input<string>;
  readonly webhookSecret: pulumi.Input<string>;
  readonly agentTokenSecret?: pulumi.Input<string>;
  readonly tlsSecret?: pulumi.Input<string>;
  /** Certificate of the port for job acquisition tokens; without it there is no such port. */
  readonly jobTokensTlsSecret?: pulumi.Input<string>;
  readonly scrapeAnnotations: boolean;
}

/** The Deployment: admitted by the `restricted` Pod Security Standard, never below its replica count while it rolls. */
export function deploymentSpec(args: DispatcherDeployment): k8s.types.input.apps.v1.DeploymentSpec {
  return {
    replicas: args.replicas,
    selector: { matchLabels: { ...args.labels } },
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    template: {
      metadata: {
        labels: { ...args.labels },
        ...(args.scrapeAnnotations ? { annotations: SCRAPE_ANNOTATIONS } : {}),
      },
      spec: {
        serviceAccountName: args.serviceAccountName,
        automountServiceAccountToken: true,
        enableServiceLinks: false,
        terminationGracePeriodSeconds: DRAIN_SECONDS + FINISH_SECONDS,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65532,
          runAsGroup: 65532,
          fsGroup: 65532,
          seccompProfile: { type: "RuntimeDefault" },
        },
        // Preferred, not required: a cluster with one system node still gets both replicas.
        topologySpreadConstraints: ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map((topologyKey) => ({
          maxSkew: 1,
          topologyKey,
          whenUnsatisfiable: "ScheduleAnyway",
          labelSelector: { matchLabels: { ...args.labels } },
        })),
        containers: [container(args)],
        volumes: [
          { name: "bundle", configMap: { name: args.bundleConfigMap } },
          { name: "settings", configMap: { name: args.settingsConfigMap } },
          { name: "webhook-secret", secret: { secretName: args.webhookSecret, defaultMode: 0o440 } },
          ...(args.agentTokenSecret === undefined
            ? []
            : [{ name: "agent-token", secret: { secretName: args.agentTokenSecret, defaultMode: 0o440 } }]),
          ...(args.tlsSecret === undefined
            ? []
            : [{ name: "tls", secret: { secretName: args.tlsSecret, defaultMode: 0o440 } }]),
          ...(args.jobTokensTlsSecret === undefined
            ? []
            : [{ name: "job-tokens-tls", secret: { secretName: args.jobTokensTlsSecret, defaultMode: 0o440 } }]),
        ],
      },
    },
  };
}

function container(args: DispatcherDeployment): k8s.types.input.core.v1.Container {
  const scheme = args.tlsSecret === undefined ? "HTTP" : "HTTPS";
  return {
    name: "dispatcher",
    image: args.image,
    command: ["node", `${BUNDLE_PATH}/dispatcher.js`],
    env: [
      { name: "DISPATCHER_SETTINGS", value: `${SETTINGS_PATH}/settings.json` },
      { name: "DISPATCHER_WEBHOOK_SECRETS", value: WEBHOOK_SECRETS_PATH },
      { name: "DISPATCHER_SERVICE_ACCOUNT", value: "/var/run/secrets/kubernetes.io/serviceaccount" },
      ...(args.agentTokenSecret === undefined ? [] : [{ name: "DISPATCHER_AGENT_TOKEN", value: AGENT_TOKEN_PATH }]),
      ...(args.tlsSecret === undefined ? [] : [{ name: "DISPATCHER_TLS", value: TLS_PATH }]),
      { name: "PORT", value: String(PORTS.webhook) },
      { name: "OPERATIONS_PORT", value: String(PORTS.operations) },
      ...(args.jobTokensTlsSecret === undefined
        ? []
        : [
            { name: "DISPATCHER_JOB_TOKENS_TLS", value: JOB_TOKENS_TLS_PATH },
            { name: "JOB_TOKENS_PORT", value: String(PORTS.jobTokens) },
          ]),
      { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "NODE_OPTIONS", value: NODE_OPTIONS },
    ],
    ports: [
      { name: "webhook", containerPort: PORTS.webhook },
      { name: "operations", containerPort: PORTS.operations },
      ...(args.jobTokensTlsSecret === undefined ? [] : [{ name: "job-tokens", containerPort: PORTS.jobTokens }]),
    ],
    resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: `${MEMORY_LIMIT_MIB}Mi` } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    // On the webhook's port, so that GKE's Ingress takes its health check from here.
    readinessProbe: {
      httpGet: { path: "/readyz", port: "webhook", scheme },
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold: 2,
    },
    livenessProbe: {
      httpGet: { path: "/healthz", port: "operations" },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    lifecycle: { preStop: { sleep: { seconds: DRAIN_SECONDS } } },
    volumeMounts: [
      { name: "bundle", mountPath: BUNDLE_PATH, readOnly: true },
      { name: "settings", mountPath: SETTINGS_PATH, readOnly: true },
      { name: "webhook-secret", mountPath: WEBHOOK_SECRETS_PATH, readOnly: true },
      ...(args.agentTokenSecret === undefined
        ? []
        : [{ name: "agent-token", mountPath: AGENT_TOKEN_PATH, readOnly: true }]),
      ...(args.tlsSecret === undefined ? [] : [{ name: "tls", mountPath: TLS_PATH, readOnly: true }]),
      ...(args.jobTokensTlsSecret === undefined
        ? []
        : [{ name: "job-tokens-tls", mountPath: JOB_TOKENS_TLS_PATH, readOnly: true }]),
    ],
  };
}
