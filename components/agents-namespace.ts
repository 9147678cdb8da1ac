import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type ArgumentFault, DNS_LABEL, integerWithin, refuseFaults, textLike } from "./argument-rules";
import { MANAGED_BY_LABEL, PROJECT } from "./contract";
import type { GitCredentials, SecretKey } from "./dind-job-template-args";

/** As a pod calls it, and where GKE's own metadata server listens on each node: plugins differ in which one they see. */
const METADATA_SERVER = ["169.254.169.252/32", "169.254.169.254/32"];

/**
 * On clusters with `--cluster-dns=clouddns` the kubelet makes the metadata address every pod's name server. Names only:
 * the metadata itself is served over HTTP.
 */
const CLOUD_DNS = {
  to: [{ ipBlock: { cidr: "169.254.169.254/32" } }],
  ports: [
    { port: 53, protocol: "UDP" },
    { port: 53, protocol: "TCP" },
  ],
};

/** `jobQuota` where none is set. */
export const DEFAULT_JOB_QUOTA = 5_000;

/** The most that `jobQuota` may be. */
const MOST_JOBS = 100_000;

/**
 * More pods than there can be. A count, because a percentage and `maxUnavailable` need a controller with a scale
 * subresource, which a Job is not (Kubernetes, "Specifying a Disruption Budget for your Application", arbitrary workloads).
 */
const NEVER_AVAILABLE = 10 * MOST_JOBS;

/** Arguments of {@link AgentsNamespace}. */
export interface AgentsNamespaceArgs {
  /** Name of the namespace. */
  readonly namespace: string;
  /** The Buildkite agent token. Kept out of the namespace with `jobAcquisitionTokens`. */
  readonly agentToken: pulumi.Input<string>;
  /** Whether each build pod fetches a token of its own: then no Secret with the agent token is made. Default false. */
  readonly jobAcquisitionTokens?: boolean;
  /** Lines of git's `store` credential helper, for repositories over HTTPS. Not together with `gitSshKey`. */
  readonly gitHttpsCredentials?: pulumi.Input<string>;
  /** A private SSH key for git. Not together with `gitHttpsCredentials`. */
  readonly gitSshKey?: pulumi.Input<string>;
  /** known_hosts for `gitSshKey`; without it the agent trusts a host on first use. */
  readonly gitKnownHosts?: string;
  /** The most Jobs there may be, finished ones included: a circuit breaker, far above honest use. Default 5,000. */
  readonly jobQuota?: number;
  /**
   * Whether build pods may call the metadata server: Workload Identity needs it, and gives a pod only what its service
   * account was given. Default false.
   */
  readonly metadataServer?: boolean;
}

/**
 * Where builds run: a namespace for privileged pods that holds nothing but what build pods refer to and what guards them.
 *
 * Everything a stamped pod refers to has a fixed name and is updated in place: a pod may wait an hour for its node, and
 * a Secret that was replaced under another name in the meantime would strand it.
 */
export class AgentsNamespace extends pulumi.ComponentResource {
  /** Name of the namespace; known once it exists. */
  public readonly namespace: pulumi.Output<string>;
  /** Where build pods find the agent token; absent with job acquisition tokens. */
  public readonly agentToken?: SecretKey;
  /** Where build pods find git's credentials, if there are any. */
  public readonly gitCredentials?: GitCredentials;
  /** Service account of build pods; it has no rights, and no token of it is mounted. */
  public readonly serviceAccountName: string = "buildkite-agent";

  /** @throws pulumi.InputPropertiesError listing each argument that breaks its rule, before anything is created. */
  constructor(name: string, args: AgentsNamespaceArgs, opts?: pulumi.ComponentResourceOptions) {
    super(`${PROJECT}:index:AgentsNamespace`, name, args, opts);
    refuseFaults(`AgentsNamespace ${name}`, faultsOf(args));

    const namespace = new k8s.core.v1.Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: args.namespace,
          labels: {
            [MANAGED_BY_LABEL]: PROJECT,
            // dind is privileged; nothing else lives here.
            "pod-security.kubernetes.io/enforce": "privileged",
          },
        },
      },
      { parent: this },
    );
    this.namespace = namespace.metadata.name;
    if (args.jobAcquisitionTokens !== true) {
      this.agentToken = { secret: "buildkite-agent-token", key: "token" };
      this.createSecret(`${name}-agent-token`, this.agentToken.secret, { token: args.agentToken });
    }
    this.gitCredentials = this.createGitSecret(name, args);
    new k8s.core.v1.ServiceAccount(
      `${name}-service-account`,
      {
        metadata: { name: this.serviceAccountName, namespace: this.namespace },
        automountServiceAccountToken: false,
      },
      { parent: this },
    );
    this.createNetworkPolicy(name, args);
    this.createDisruptionBudget(name);
    new k8s.core.v1.ResourceQuota(
      `${name}-quota`,
      {
        metadata: { namespace: this.namespace },
        spec: { hard: { "count/jobs.batch": String(args.jobQuota ?? DEFAULT_JOB_QUOTA) } },
      },
      { parent: this },
    );
    this.registerOutputs({
      namespace: this.namespace,
      agentToken: this.agentToken,
      gitCredentials: this.gitCredentials,
      serviceAccountName: this.serviceAccountName,
    });
  }

  private createGitSecret(name: string, args: AgentsNamespaceArgs): GitCredentials | undefined {
    const secret = "buildkite-git-credentials";
    if (args.gitHttpsCredentials !== undefined) {
      this.createSecret(`${name}-git-credentials`, secret, { ".git-credentials": args.gitHttpsCredentials });
      return { type: "https", secret };
    }
    if (args.gitSshKey !== undefined) {
      const knownHosts: Record<string, string> =
        args.gitKnownHosts === undefined ? {} : { known_hosts: args.gitKnownHosts };
      // ssh refuses a key file whose last line has no end.
      const key = pulumi.output(args.gitSshKey).apply((text) => (text.endsWith("\n") ? text : `${text}\n`));
      this.createSecret(`${name}-git-credentials`, secret, { "ssh-privatekey": key, ...knownHosts });
      return {
        type: "ssh",
        secret,
        ...(args.gitKnownHosts === undefined ? {} : { knownHostsKey: "known_hosts" }),
      };
    }
    return undefined;
  }

  private createSecret(name: string, secretName: string, stringData: Record<string, pulumi.Input<string>>): void {
    new k8s.core.v1.Secret(
      name,
      { metadata: { name: secretName, namespace: this.namespace }, stringData: pulumi.secret(stringData) },
      { parent: this },
    );
  }

  /**
   * Keeps every drain from running builds: GKE's automatic node upgrades honour a budget for up to an hour, whereas
   * `safe-to-evict` holds back the autoscaler only. Pending pods are evicted regardless: their Jobs are made anew. The
   * default `unhealthyPodEvictionPolicy` is the right one: with a budget that is never met it keeps pods that run without
   * being Ready, too, whereas AlwaysAllow would give those away.
   */
  private createDisruptionBudget(name: string): void {
    new k8s.policy.v1.PodDisruptionBudget(
      `${name}-disruption-budget`,
      {
        metadata: { namespace: this.namespace },
        spec: { minAvailable: NEVER_AVAILABLE, selector: { matchLabels: { [MANAGED_BY_LABEL]: PROJECT } } },
      },
      { parent: this },
    );
  }

  /** Nobody calls a build pod; it calls whom it likes, but the metadata server only for names, or where it was allowed. */
  private createNetworkPolicy(name: string, { metadataServer = false }: AgentsNamespaceArgs): void {
    const anywhere = { cidr: "0.0.0.0/0", ...(metadataServer ? {} : { except: METADATA_SERVER }) };
    new k8s.networking.v1.NetworkPolicy(
      `${name}-network-policy`,
      {
        metadata: { namespace: this.namespace },
        spec: {
          podSelector: {},
          policyTypes: ["Ingress", "Egress"],
          ingress: [],
          egress: [
            // The pods of the cluster, its DNS among them, said apart: GKE's Dataplane V2 (Cilium) does not count pods
            // among the addresses of an ipBlock.
            { to: [{ ipBlock: anywhere }, { ipBlock: { cidr: "::/0" } }, { namespaceSelector: {} }] },
            ...(metadataServer ? [] : [CLOUD_DNS]),
          ],
        },
      },
      { parent: this },
    );
  }
}

function faultsOf(args: AgentsNamespaceArgs): ArgumentFault[] {
  return [
    ...textLike("namespace", args.namespace, DNS_LABEL, "a DNS label: 1 to 63 lower-case letters, digits and dashes"),
    ...integerWithin("jobQuota", args.jobQuota ?? DEFAULT_JOB_QUOTA, 10, MOST_JOBS),
    ...(args.gitHttpsCredentials !== undefined && args.gitSshKey !== undefined
      ? [{ path: "gitSshKey", reason: "must be unset when gitHttpsCredentials is set: git uses one of them" }]
      : []),
    ...(args.gitKnownHosts !== undefined && args.gitSshKey === undefined
      ? [{ path: "gitKnownHosts", reason: "needs gitSshKey: only ssh reads known_hosts" }]
      : []),
  ];
}
