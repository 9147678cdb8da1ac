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

const FACTORS: Readonly<Record<string, number>> = {
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** A Kubernetes quantity as a plain number: `500m` is 0.5, `1Ki` is 1024. @throws RangeError when it is none. */
export function quantity(text: string | number): number {
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/.exec(String(text));
  const value = Number(match?.[1] ?? Number.NaN) * (FACTORS[match?.[2] ?? ""] ?? Number.NaN);
  if (Number.isNaN(value)) {
    throw new RangeError(`${JSON.stringify(text)} is not a Kubernetes quantity`);
  }
  return value;
}

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
