/**
 * What a node of a GKE machine type offers to pods: an assumption, written down here and printed by
 * {@link describeAllocatable}, not a measurement. Nominal size minus GKE's published reservations, minus what GKE's own
 * pods request on every node. Real nodes differ by some per cent (the VM's kernel takes its share of the nominal
 * memory, the set of GKE's own pods changes): never size a request to a node's last byte.
 */
import { subtract, type Resources } from "./quantity";

/** Nominal size of a machine type. */
export interface MachineType {
  /** Whole vCPUs. */
  readonly cpus: number;
  /** GiB. */
  readonly memoryGib: number;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** GiB per vCPU by family and kind, and the sizes that exist from 2 to 32 vCPUs. */
const FAMILIES: readonly [family: string, kind: string, gibPerCpu: number, sizes: readonly number[]][] = [
  ["e2", "standard", 4, [2, 4, 8, 16, 32]],
  ["e2", "highmem", 8, [2, 4, 8, 16]],
  ["e2", "highcpu", 1, [2, 4, 8, 16, 32]],
  ["n2", "standard", 4, [2, 4, 8, 16, 32]],
  ["n2", "highmem", 8, [2, 4, 8, 16, 32]],
  ["n2", "highcpu", 1, [2, 4, 8, 16, 32]],
  ["n2d", "standard", 4, [2, 4, 8, 16, 32]],
  ["n2d", "highmem", 8, [2, 4, 8, 16, 32]],
  ["n2d", "highcpu", 1, [2, 4, 8, 16, 32]],
  ["c3", "standard", 4, [4, 8, 22]],
  ["c3", "highmem", 8, [4, 8, 22]],
  ["c3", "highcpu", 2, [4, 8, 22]],
];

/** The machine types that the model knows, by name. */
export const MACHINE_TYPES: ReadonlyMap<string, MachineType> = new Map(
  FAMILIES.flatMap(([family, kind, gibPerCpu, sizes]) =>
    sizes.map((cpus): [string, MachineType] => [`${family}-${kind}-${cpus}`, { cpus, memoryGib: cpus * gibPerCpu }]),
  ),
);

/** What GKE's own pods (kube-proxy 100m, logging, metrics, CSI and metadata agents) request on each node; an assumption. */
export const SYSTEM_PODS: Resources = { cpu: 250, memory: 400 * MIB, ephemeralStorage: 0 };

/** Millicores that GKE keeps: 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest. */
export function reservedCpu(cpus: number): number {
  return (
    tiered(cpus, [
      [1, 0.06],
      [1, 0.01],
      [2, 0.005],
      [Infinity, 0.0025],
    ]) * 1000
  );
}

/** Bytes that GKE keeps: 25 % of 4 GiB, 20 % of the next 4, 10 % of 8, 6 % of 112, 2 % above, and 100 MiB for eviction. */
export function reservedMemory(memoryGib: number): number {
  const gib = tiered(memoryGib, [
    [4, 0.25],
    [4, 0.2],
    [8, 0.1],
    [112, 0.06],
    [Infinity, 0.02],
  ]);
  return gib * GIB + 100 * MIB;
}

/** Bytes of boot disk that pods cannot have: 10 % eviction threshold, and min(50 %, 6 GiB + 35 %, 100 GiB). */
export function reservedStorage(diskGib: number): number {
  return (diskGib * 0.1 + Math.min(diskGib * 0.5, 6 + diskGib * 0.35, 100)) * GIB;
}

/**
 * What pods can request on one node.
 *
 * @throws RangeError naming the known types when the type is not in the table.
 */
export function allocatable(
  machineType: string,
  diskGib: number,
  table: ReadonlyMap<string, MachineType> = MACHINE_TYPES,
): Resources {
  const type = table.get(machineType);
  if (type === undefined) {
    throw new RangeError(
      `machine type ${JSON.stringify(machineType)} is not in the model's table; known: ${[...table.keys()].join(", ")}`,
    );
  }
  const kubelet: Resources = {
    cpu: Math.floor(type.cpus * 1000 - reservedCpu(type.cpus)),
    memory: Math.floor(type.memoryGib * GIB - reservedMemory(type.memoryGib)),
    ephemeralStorage: Math.floor(diskGib * GIB - reservedStorage(diskGib)),
  };
  return subtract(kubelet, SYSTEM_PODS);
}

/** One line for people: what is assumed of a node of this type. */
export function describeAllocatable(
  machineType: string,
  diskGib: number,
  table: ReadonlyMap<string, MachineType> = MACHINE_TYPES,
): string {
  const { cpu, memory, ephemeralStorage } = allocatable(machineType, diskGib, table);
  const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
  return (
    `${machineType}: ${cpu}m CPU, ${gib(memory)} memory, ${gib(ephemeralStorage)} disk for pods ` +
    `(assumed: nominal size, minus GKE's published reservations, minus ${SYSTEM_PODS.cpu}m and ` +
    `${(SYSTEM_PODS.memory / MIB).toFixed(0)} MiB for GKE's own pods)`
  );
}

function tiered(amount: number, tiers: readonly (readonly [size: number, share: number])[]): number {
  let left = amount;
  let sum = 0;
  for (const [size, share] of tiers) {
    const part = Math.min(left, size);
    sum += part * share;
    left -= part;
  }
  return sum;
}
