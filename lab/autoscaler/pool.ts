import type { MachineType } from "./machine-types";
import { allocatable } from "./machine-types";
import type { Taint, NodeState } from "./node";

/** A node pool as the provider was given it; the shape of the gcp double's record. */
export interface DeclaredPool {
  readonly id: string;
  readonly name: string;
  readonly cluster: string;
  /** Region or zone. */
  readonly location: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** What the autoscaler needs of it. */
export interface PoolSpec {
  readonly name: string;
  readonly cluster: string;
  readonly location: string;
  readonly zones: readonly string[];
  readonly minNodes: number;
  readonly maxNodes: number;
  readonly initialNodes: number;
  readonly machineType: string;
  readonly diskGib: number;
  readonly maxPodsPerNode: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
}

/** Label that GKE puts on every node: the name of its pool. */
export const GKE_POOL_LABEL = "cloud.google.com/gke-nodepool";

const EFFECTS: Readonly<Record<string, Taint["effect"]>> = {
  NO_SCHEDULE: "NoSchedule",
  PREFER_NO_SCHEDULE: "PreferNoSchedule",
  NO_EXECUTE: "NoExecute",
};

/**
 * Reads a pool's declaration by GKE's rules. The per-zone pair `minNodeCount`/`maxNodeCount` counts once per zone
 * (three in a region unless `nodeLocations` says otherwise), as does `initialNodeCount`.
 *
 * @throws RangeError for a pool without autoscaling or with a taint effect that GKE does not know.
 */
export function readPool(pool: DeclaredPool): PoolSpec {
  const inputs = pool.inputs;
  const config = record(inputs["nodeConfig"]);
  const scaling = record(inputs["autoscaling"]);
  const zones = zonesOf(pool);
  const perZone = scaling["totalMaxNodeCount"] === undefined;
  const maxNodes = perZone
    ? number(scaling["maxNodeCount"], 0) * zones.length
    : number(scaling["totalMaxNodeCount"], 0);
  if (!(maxNodes > 0)) {
    throw new RangeError(
      `node pool ${pool.name}: autoscaling.totalMaxNodeCount must be more than 0, got ${JSON.stringify(inputs["autoscaling"])}`,
    );
  }
  const spot = config["spot"] === true;
  const metadata = record(config["workloadMetadataConfig"])["mode"] === "GKE_METADATA";
  return {
    name: pool.name,
    cluster: pool.cluster.split("/").pop() ?? pool.cluster,
    location: pool.location,
    zones,
    minNodes: perZone ? number(scaling["minNodeCount"], 0) * zones.length : number(scaling["totalMinNodeCount"], 0),
    maxNodes,
    initialNodes: number(inputs["initialNodeCount"], 0) * zones.length,
    machineType: typeof config["machineType"] === "string" ? config["machineType"] : "e2-medium",
    diskGib: number(config["diskSizeGb"], 100),
    maxPodsPerNode: number(inputs["maxPodsPerNode"], 110),
    labels: {
      ...(record(config["labels"]) as Record<string, string>),
      ...(spot ? { "cloud.google.com/gke-spot": "true", "cloud.google.com/gke-provisioning": "spot" } : {}),
      ...(metadata ? { "iam.gke.io/gke-metadata-server-enabled": "true" } : {}),
    },
    taints: (Array.isArray(config["taints"]) ? config["taints"] : []).map((taint) => taintFrom(pool.name, taint)),
  };
}

/** Rule 2: the node that the autoscaler imagines while the pool is empty; it knows only what the pool declares. */
export function templateNode(pool: PoolSpec, machineTypes?: ReadonlyMap<string, MachineType>): NodeState {
  return {
    name: `template-of-${pool.name}`,
    labels: nodeLabels(pool, `template-of-${pool.name}`, pool.zones[0] ?? pool.location),
    annotations: {},
    taints: pool.taints,
    allocatable: allocatable(pool.machineType, pool.diskGib, machineTypes),
    maxPods: pool.maxPodsPerNode,
    ready: true,
    unschedulable: false,
  };
}

/** Labels of a node of this pool: GKE's own and the declared ones. */
export function nodeLabels(pool: PoolSpec, name: string, zone: string): Record<string, string> {
  return {
    [GKE_POOL_LABEL]: pool.name,
    "cloud.google.com/machine-family": pool.machineType.split("-")[0] ?? "",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/os": "linux",
    "kubernetes.io/hostname": name,
    "node.kubernetes.io/instance-type": pool.machineType,
    "topology.kubernetes.io/region": /^[a-z]+-[a-z]+[0-9]+/.exec(zone)?.[0] ?? zone,
    "topology.kubernetes.io/zone": zone,
    ...pool.labels,
  };
}

function zonesOf(pool: DeclaredPool): string[] {
  const declared = pool.inputs["nodeLocations"];
  if (Array.isArray(declared) && declared.length > 0) {
    return declared.map(String);
  }
  return /-[a-z]$/.test(pool.location)
    ? [pool.location]
    : ["a", "b", "c"].map((letter) => `${pool.location}-${letter}`);
}

function taintFrom(pool: string, value: unknown): Taint {
  const { key, value: text, effect } = record(value);
  const known = typeof effect === "string" ? EFFECTS[effect] : undefined;
  if (typeof key !== "string" || known === undefined) {
    throw new RangeError(
      `node pool ${pool}: a taint needs a key and an effect of ${Object.keys(EFFECTS).join(", ")}, got ${JSON.stringify(value)}`,
    );
  }
  return { key, value: typeof text === "string" ? text : "", effect: known };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function number(value: unknown, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}
