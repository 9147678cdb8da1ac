/**
 * What machines cost: an assumption, printed with every estimate. On-demand list prices of us-central1 in USD an hour and
 * the share of them that Spot costs, by the table that the upstream autoscaler keeps for choosing pools
 * (kubernetes/autoscaler, cluster-autoscaler/cloudprovider/gce/gce_price_info.go), read in August 2026. No disks, network
 * or discounts. Spot prices change from month to month.
 */
import { MACHINE_TYPES } from "../autoscaler";

/** Prices of a node, USD an hour. */
export interface NodePrice {
  readonly onDemand: number;
  readonly spot: number;
}

/** Where the numbers are from, for people. */
export const PRICE_SOURCE =
  "list prices of us-central1 and Spot's share of them, from the upstream autoscaler's table " +
  "(kubernetes/autoscaler, gce_price_info.go; read in August 2026); no disks, network or discounts";

/** GKE's fee for a cluster, USD an hour; one zonal cluster of a billing account is free. */
export const CLUSTER_FEE_PER_HOUR = 0.1;

/** USD an hour for a vCPU and a GiB, and Spot's share of the whole. */
const FAMILIES: Readonly<Record<string, { readonly cpu: number; readonly gib: number; readonly spotShare: number }>> = {
  e2: { cpu: 0.021811, gib: 0.002923, spotShare: 0.006543 / 0.021811 },
  n2: { cpu: 0.031611, gib: 0.004237, spotShare: 0.00765 / 0.031611 },
  n2d: { cpu: 0.027502, gib: 0.003686, spotShare: 0.002773 / 0.027502 },
  c3: { cpu: 0.03398, gib: 0.00456, spotShare: 0.003086 / 0.03398 },
};

/** @throws RangeError for a machine type that is not in the model's table. */
export function nodePrice(machineType: string): NodePrice {
  const size = MACHINE_TYPES.get(machineType);
  const family = FAMILIES[machineType.split("-")[0] ?? ""];
  if (size === undefined || family === undefined) {
    throw new RangeError(`machine type ${JSON.stringify(machineType)} has no price here`);
  }
  const onDemand = size.cpus * family.cpu + size.memoryGib * family.gib;
  return { onDemand, spot: onDemand * family.spotShare };
}
