/**
 * What a machine costs, as a stated assumption: on-demand list prices of us-central1 in US dollars an hour, and Spot's part
 * of them, from the price table of the cluster autoscaler (gce_price_info.go), read in August 2026. Other regions cost up
 * to a third more; disks, the cluster's fee and network are not in it. Spot prices change from month to month.
 */

/** Prices of a node, US dollars an hour. */
export interface NodePrice {
  readonly onDemand: number;
  readonly spot: number;
}

interface Family {
  /** US dollars an hour for a vCPU and for a GiB. */
  readonly cpu: number;
  readonly gib: number;
  /** Spot's part of the whole. */
  readonly spotPart: number;
  /** GiB to a vCPU of its highcpu machines. */
  readonly highcpuGib: number;
}

const FAMILIES: ReadonlyMap<string, Family> = new Map([
  ["e2", { cpu: 0.021811, gib: 0.002923, spotPart: 0.006543 / 0.021811, highcpuGib: 1 }],
  ["n2", { cpu: 0.031611, gib: 0.004237, spotPart: 0.00765 / 0.031611, highcpuGib: 1 }],
  ["n2d", { cpu: 0.027502, gib: 0.003686, spotPart: 0.002773 / 0.027502, highcpuGib: 1 }],
  ["c3", { cpu: 0.03398, gib: 0.00456, spotPart: 0.003086 / 0.03398, highcpuGib: 2 }],
]);

/** Of larger machines the memory is not always in that proportion. */
const MOST_CPUS = 96;

const SPOT_PARTS = [...FAMILIES]
  .map(([family, { spotPart }]) => `${(spotPart * 100).toFixed(0)} % (${family})`)
  .join(", ");

/** Where the prices are from, for people. */
export const PRICE_SOURCE =
  "list prices of us-central1 from the cluster autoscaler's table (kubernetes/autoscaler, gce_price_info.go; read in " +
  `August 2026), Spot at ${SPOT_PARTS} of them; without disks, cluster fee, network and discounts`;

/** The words that go under every table with a price. */
export const ASSUMPTION = `Prices are assumptions: ${PRICE_SOURCE}.`;

/**
 * US dollars for one node and hour, to a hundredth of a cent: as they are shown, so that a reader who multiplies comes to
 * the same. Undefined for a machine type whose price is not known.
 */
export function nodePrice(machineType: string): NodePrice | undefined {
  const [, name = "", kind = "", size] = /^([a-z0-9]+)-([a-z]+)-(\d+)$/.exec(machineType) ?? [];
  const family = FAMILIES.get(name);
  const gibPerCpu = family && gibOf(family, kind);
  const cpus = Number(size);
  if (family === undefined || gibPerCpu === undefined || cpus < 1 || cpus > MOST_CPUS) {
    return undefined;
  }
  const onDemand = cpus * (family.cpu + gibPerCpu * family.gib);
  return { onDemand: rounded(onDemand), spot: rounded(onDemand * family.spotPart) };
}

/** The same for a node whose kind is known; see {@link nodePrice}. */
export function nodeHour(machineType: string, spot: boolean): number | undefined {
  return nodePrice(machineType)?.[spot ? "spot" : "onDemand"];
}

function gibOf({ highcpuGib }: Family, kind: string): number | undefined {
  switch (kind) {
    case "standard":
      return 4;
    case "highmem":
      return 8;
    case "highcpu":
      return highcpuGib;
    default:
      return undefined;
  }
}

function rounded(price: number): number {
  return Number(price.toFixed(4));
}
