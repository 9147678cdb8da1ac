import { quantity } from "../../components/quantity";

/** What the scheduler counts. */
export interface Resources {
  /** Thousandths of a core. */
  readonly cpu: number;
  /** Bytes. */
  readonly memory: number;
  /** Bytes. */
  readonly ephemeralStorage: number;
}

/** Nothing requested. */
export const NO_RESOURCES: Resources = { cpu: 0, memory: 0, ephemeralStorage: 0 };

/** Resources from a `requests` or `allocatable` map; what it does not name is 0. */
export function resourcesFrom(map: Readonly<Record<string, string | number>> | undefined): Resources {
  return {
    cpu: Math.ceil(quantity(map?.["cpu"] ?? 0) * 1000 - 1e-6),
    memory: quantity(map?.["memory"] ?? 0),
    ephemeralStorage: quantity(map?.["ephemeral-storage"] ?? 0),
  };
}

/** Field by field. */
export function add(a: Resources, b: Resources): Resources {
  return {
    cpu: a.cpu + b.cpu,
    memory: a.memory + b.memory,
    ephemeralStorage: a.ephemeralStorage + b.ephemeralStorage,
  };
}

/** Field by field. */
export function subtract(a: Resources, b: Resources): Resources {
  return {
    cpu: a.cpu - b.cpu,
    memory: a.memory - b.memory,
    ephemeralStorage: a.ephemeralStorage - b.ephemeralStorage,
  };
}

/** The larger of each field. */
export function largest(a: Resources, b: Resources): Resources {
  return {
    cpu: Math.max(a.cpu, b.cpu),
    memory: Math.max(a.memory, b.memory),
    ephemeralStorage: Math.max(a.ephemeralStorage, b.ephemeralStorage),
  };
}

/** Whether every field of `request` is within `free`. */
export function within(request: Resources, free: Resources): boolean {
  return request.cpu <= free.cpu && request.memory <= free.memory && request.ephemeralStorage <= free.ephemeralStorage;
}
