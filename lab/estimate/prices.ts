import { nodePrice, type NodePrice } from "../../tools/preview/prices";

/** GKE's fee for a cluster, USD an hour; one zonal cluster of a billing account is free. */
export const CLUSTER_FEE_PER_HOUR = 0.1;

/** @throws RangeError for a machine type whose price is not known. */
export function knownPrice(machineType: string): NodePrice {
  const price = nodePrice(machineType);
  if (price === undefined) {
    throw new RangeError(`machine type ${JSON.stringify(machineType)} has no price here`);
  }
  return price;
}
