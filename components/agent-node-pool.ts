import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type ArgumentFault, integerWithin, LABEL_KEY, LABEL_VALUE, refuseFaults, textLike } from "./argument-rules";
import { POOL_LABEL, PROJECT } from "./contract";
import { brokenMachineTypeRule, DEFAULT_MACHINE_TYPE } from "./machine-type";
import { PODS_PER_NODE } from "./pods-per-node";
import { labelValue } from "./stamp";

/** A taint in GKE's spelling. */
export interface NodeTaint {
  readonly key: string;
  readonly value: string;
  readonly effect: "NO_SCHEDULE" | "PREFER_NO_SCHEDULE" | "NO_EXECUTE";
}

/** A toleration of a pod, in Kubernetes' spelling. */
export interface PodToleration {
  readonly key: string;
  readonly operator: "Equal";
  readonly value: string;
  readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

/** Arguments of {@link AgentNodePool}. */
export interface AgentNodePoolArgs {
  /** Name of the GKE cluster (Standard; Autopilot refuses privileged pods). */
  readonly cluster: pulumi.Input<string>;
  /** Region or zone of the cluster. */
  readonly location: pulumi.Input<string>;
  /** Google Cloud project of the cluster and the nodes' service account. */
  readonly project: pulumi.Input<string>;
  /** The most nodes the pool ever has, over all zones together: 1 to 1000. The one hard bound on cost. */
  readonly maxNodes: number;
  /**
   * Compute Engine machine type. Default `e2-standard-4`. Arm types (T2A, C4A, N4A, A4X) are refused: GKE taints their
   * nodes by itself (GKE, "Prepare an Arm workload"), and the images are pinned for linux/amd64.
   */
  readonly machineType?: string;
  /** Spot VMs: far cheaper, and gone with 30 s notice. Default false. */
  readonly spot?: boolean;
  /** Boot disk in GB, 20 to 65536; image layers and builds live on it. Default 100. */
  readonly diskSizeGb?: number;
  /** Boot disk type. Default `pd-balanced`. */
  readonly diskType?: "pd-standard" | "pd-balanced" | "pd-ssd" | "hyperdisk-balanced";
  /** Zones of the nodes; default: the cluster's own. */
  readonly zones?: readonly string[];
  /** More labels on the nodes, beside the pool's own. */
  readonly labels?: Readonly<Record<string, string>>;
  /** More taints on the nodes, beside the pool's own; pods tolerate them through {@link AgentNodePool.tolerations}. */
  readonly taints?: readonly NodeTaint[];
  /** Account id of the nodes' service account, 6 to 30 characters. Default `<component name>-<stack>`. */
  readonly serviceAccountId?: string;
}

const KUBERNETES_EFFECT = {
  NO_SCHEDULE: "NoSchedule",
  PREFER_NO_SCHEDULE: "PreferNoSchedule",
  NO_EXECUTE: "NoExecute",
} as const;

/**
 * The autoscaling pool that builds run on: no node while nobody builds, never more than `maxNodes`.
 *
 * Its nodes run under a service account of their own with logging, monitoring and image pull rights only, and carry a
 * taint, so that nothing but builds lands there. What pods need to land there comes from this object.
 */
export class AgentNodePool extends pulumi.ComponentResource {
  /** Name of the pool at GKE; changes when the pool is replaced, so pods never select by it. */
  public readonly poolName: pulumi.Output<string>;
  /** Address of the nodes' service account. */
  public readonly serviceAccountEmail: pulumi.Output<string>;
  /** Node selector of the pods that belong here. */
  public readonly nodeSelector: Readonly<Record<string, string>>;
  /** Tolerations for every taint of the pool. */
  public readonly tolerations: readonly PodToleration[];
  /** The most nodes the pool ever has. */
  public readonly maxNodes: number;

  /**
   * @param name with the stack's name the pool's label value, too: what pods select by.
   * @throws pulumi.InputPropertiesError listing each argument that breaks its rule, before anything is created.
   */
  constructor(name: string, args: AgentNodePoolArgs, opts?: pulumi.ComponentResourceOptions) {
    super(`${PROJECT}:index:AgentNodePool`, name, args, opts);
    const serviceAccountId = args.serviceAccountId ?? `${name}-${pulumi.getStack()}`;
    refuseFaults(`AgentNodePool ${name}`, faultsOf(name, args, serviceAccountId));

    // With the stack in it: two stacks on one cluster must not run builds on each other's nodes.
    const pool = labelValue(`${name}-${pulumi.getStack()}`);
    const labels = { ...args.labels, [POOL_LABEL]: pool };
    const taints: readonly NodeTaint[] = [
      { key: POOL_LABEL, value: pool, effect: "NO_SCHEDULE" },
      ...(args.taints ?? []),
    ];
    this.maxNodes = args.maxNodes;
    this.nodeSelector = { [POOL_LABEL]: pool };
    this.tolerations = taints.map(({ key, value, effect }) => ({
      key,
      operator: "Equal",
      value,
      effect: KUBERNETES_EFFECT[effect],
    }));

    const account = createNodeAccount(this, name, args, serviceAccountId);
    this.poolName = createPool(this, name, args, { labels, taints, account }).name;
    this.serviceAccountEmail = account.email;
    this.registerOutputs({
      poolName: this.poolName,
      serviceAccountEmail: this.serviceAccountEmail,
      nodeSelector: this.nodeSelector,
      tolerations: this.tolerations,
      maxNodes: this.maxNodes,
    });
  }
}

/** Builds can reach the node's identity (privileged dind is root on the node), so it may do next to nothing. */
function createNodeAccount(
  parent: AgentNodePool,
  name: string,
  args: AgentNodePoolArgs,
  accountId: string,
): gcp.serviceaccount.Account {
  const account = new gcp.serviceaccount.Account(
    `${name}-node`,
    { accountId, project: args.project, displayName: `Build nodes of ${PROJECT} (${pulumi.getStack()})` },
    { parent },
  );
  new gcp.projects.IAMMember(
    `${name}-node-role`,
    { project: args.project, role: "roles/container.defaultNodeServiceAccount", member: account.member },
    { parent },
  );
  return account;
}

interface PoolParts {
  readonly labels: Record<string, string>;
  readonly taints: readonly NodeTaint[];
  readonly account: gcp.serviceaccount.Account;
}

function createPool(
  parent: AgentNodePool,
  name: string,
  args: AgentNodePoolArgs,
  { labels, taints, account }: PoolParts,
): gcp.container.NodePool {
  const spot = args.spot ?? false;
  return new gcp.container.NodePool(
    `${name}-pool`,
    {
      cluster: args.cluster,
      location: args.location,
      project: args.project,
      nodeLocations: args.zones === undefined ? undefined : [...args.zones],
      initialNodeCount: 0,
      // The total pair: GKE's per-zone pair would multiply by the number of zones.
      autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: args.maxNodes, locationPolicy: "ANY" },
      maxPodsPerNode: PODS_PER_NODE,
      management: { autoRepair: true, autoUpgrade: true },
      nodeConfig: {
        machineType: args.machineType ?? DEFAULT_MACHINE_TYPE,
        diskSizeGb: args.diskSizeGb ?? 100,
        diskType: args.diskType ?? "pd-balanced",
        imageType: "COS_CONTAINERD",
        spot,
        labels,
        taints: taints.map((taint) => ({ ...taint })),
        serviceAccount: account.email,
        oauthScopes: ["https://www.googleapis.com/auth/cloud-platform"],
        workloadMetadataConfig: { mode: "GKE_METADATA" },
        shieldedInstanceConfig: { enableSecureBoot: true, enableIntegrityMonitoring: true },
        metadata: { "disable-legacy-endpoints": "true" },
        kubeletConfig: { insecureKubeletReadonlyPortEnabled: "FALSE" },
        gcfsConfig: { enabled: true },
      },
    },
    // The autoscaler owns the counts; without this, each `up` would fight it.
    { parent, ignoreChanges: ["initialNodeCount", "nodeCount"] },
  );
}

function faultsOf(name: string, args: AgentNodePoolArgs, serviceAccountId: string): ArgumentFault[] {
  const labels = Object.entries(args.labels ?? {});
  return [
    ...textLike("name", name, /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/, "1 to 40 lower-case letters, digits and dashes"),
    ...integerWithin("maxNodes", args.maxNodes, 1, 1000),
    ...machineTypeFaults(args.machineType ?? DEFAULT_MACHINE_TYPE),
    ...integerWithin("diskSizeGb", args.diskSizeGb ?? 100, 20, 65536),
    ...(args.zones ?? []).flatMap((zone, index) =>
      textLike(`zones[${index}]`, zone, /^[a-z]+-[a-z]+[0-9]+-[a-z]$/, "a zone such as europe-west1-b"),
    ),
    ...labels.flatMap(([key, value]) => [
      ...textLike(`labels.${key}`, key, LABEL_KEY, "a Kubernetes label key"),
      ...textLike(`labels.${key}`, value, LABEL_VALUE, "a Kubernetes label value (63 characters at most)"),
      ...reserved(`labels.${key}`, key),
    ]),
    ...(args.taints ?? []).flatMap((taint, index) => [
      ...textLike(`taints[${index}].key`, taint.key, LABEL_KEY, "a Kubernetes label key"),
      ...textLike(`taints[${index}].value`, taint.value, LABEL_VALUE, "a Kubernetes label value"),
      ...textLike(
        `taints[${index}].effect`,
        taint.effect,
        /^(NO_SCHEDULE|PREFER_NO_SCHEDULE|NO_EXECUTE)$/,
        "NO_SCHEDULE, PREFER_NO_SCHEDULE or NO_EXECUTE (GKE's spelling)",
      ),
      ...reserved(`taints[${index}].key`, taint.key),
    ]),
    ...textLike(
      "serviceAccountId",
      serviceAccountId,
      /^[a-z][-a-z0-9]{4,28}[a-z0-9]$/,
      "6 to 30 lower-case letters, digits and dashes, starting with a letter (Google Cloud IAM); set it when the name made of component and stack does not fit",
    ),
  ];
}

function machineTypeFaults(machineType: string): ArgumentFault[] {
  const rule = brokenMachineTypeRule(machineType);
  return rule === undefined
    ? []
    : [{ path: "machineType", reason: `must be ${rule}, got ${JSON.stringify(machineType)}` }];
}

function reserved(path: string, key: string): ArgumentFault[] {
  return key === POOL_LABEL || key.startsWith("cloud.google.com/") || key.startsWith("kubernetes.io/")
    ? [{ path, reason: `must not be ${key}: that key belongs to the pool or to GKE itself; use one of your own` }]
    : [];
}
