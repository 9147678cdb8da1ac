/** What a property may be on the wire, once the protobuf Struct is JSON. Secrets and unknowns are in it as markers. */
export type PropertyValue = null | boolean | number | string | PropertyValue[] | { [key: string]: PropertyValue };

/** A resource's inputs or state. */
export type Properties = Record<string, PropertyValue>;

// The markers of Pulumi's property protocol (sdk/proto: "special signatures").
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

/** Stands for a value that is known only after an update; for a value of any type. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

// One per type; the engine sends only the first, a provider may meet the others in old states.
const UNKNOWNS: ReadonlySet<string> = new Set([
  UNKNOWN,
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

export function isObject(value: PropertyValue | undefined): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isUnknown(value: PropertyValue | undefined): boolean {
  if (isObject(value) && value[SIGNATURE] === OUTPUT) {
    return !("value" in value);
  }
  return typeof value === "string" && UNKNOWNS.has(value);
}

export function isSecret(value: PropertyValue | undefined): boolean {
  return isObject(value) && (value[SIGNATURE] === SECRET || (value[SIGNATURE] === OUTPUT && value["secret"] === true));
}

/** Marks a value as secret; a value that is already marked stays as it is. */
export function secret(value: PropertyValue): PropertyValue {
  return isSecret(value) ? value : { [SIGNATURE]: SECRET, value };
}

/** The value without its own marker; inner markers stay. */
function unmarked(value: PropertyValue): PropertyValue {
  if (isObject(value) && (value[SIGNATURE] === SECRET || value[SIGNATURE] === OUTPUT)) {
    return unmarked(value["value"] ?? UNKNOWN);
  }
  return value;
}

/** The same value without any secret marker: what the cloud or the cluster is sent. */
export function plain(value: PropertyValue): PropertyValue {
  const bare = unmarked(value);
  if (Array.isArray(bare)) {
    return bare.map(plain);
  }
  return isObject(bare) ? plainProperties(bare) : bare;
}

/** {@link plain} for a whole bag. Nulls stand for absent properties and are dropped. */
export function plainProperties(properties: Properties): Properties {
  const result: Properties = {};
  for (const [key, value] of Object.entries(properties)) {
    if (value !== null) {
      result[key] = plain(value);
    }
  }
  return result;
}

/** Whether anything in it is known only after an update. */
export function containsUnknown(value: PropertyValue): boolean {
  if (isUnknown(value)) {
    return true;
  }
  if (Array.isArray(value)) {
    return value.some(containsUnknown);
  }
  return isObject(value) && Object.values(value).some(containsUnknown);
}

function containsSecret(value: PropertyValue): boolean {
  if (isSecret(value)) {
    return true;
  }
  if (Array.isArray(value)) {
    return value.some(containsSecret);
  }
  return isObject(value) && Object.values(value).some(containsSecret);
}

/**
 * Marks in `outputs` what is secret in `inputs`, at the same paths. An array whose length differs is marked as a whole:
 * positions no longer say which element is which.
 */
export function markLike(outputs: PropertyValue, inputs: PropertyValue): PropertyValue {
  if (isSecret(inputs)) {
    return secret(outputs);
  }
  if (Array.isArray(outputs) && Array.isArray(inputs)) {
    if (outputs.length !== inputs.length) {
      return containsSecret(inputs) ? secret(outputs) : outputs;
    }
    return outputs.map((element, index) => markLike(element, inputs[index] ?? null));
  }
  if (isObject(outputs) && isObject(inputs)) {
    return markPropertiesLike(outputs, inputs);
  }
  return outputs;
}

/** {@link markLike} for a whole bag. */
export function markPropertiesLike(outputs: Properties, inputs: Properties): Properties {
  const result: Properties = {};
  for (const [key, value] of Object.entries(outputs)) {
    const input = inputs[key];
    result[key] = input === undefined ? value : markLike(value, input);
  }
  return result;
}

/** A value inside a text: strings as they are, everything else as JSON; nothing for what is absent. */
export function textOf(value: PropertyValue | undefined): string {
  if (value === undefined || value === null) {
    return "";
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}
