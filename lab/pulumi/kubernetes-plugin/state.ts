import {
  isObject,
  markPropertiesLike,
  plain,
  secret,
  type Properties,
  type PropertyValue,
} from "../provider-protocol/property-values";
import { stringAt, type KubernetesObject } from "./kubernetes-object";

const FIELD_MANAGER = "__fieldManager";

/** What Pulumi keeps of an object: the live one, with everything marked that is secret in the inputs or in a Secret. */
export function stateOf(live: KubernetesObject, inputs: Properties, fieldManager: string): Properties {
  const state = markPropertiesLike(live, inputs);
  if (stringAt(live, "apiVersion") === "v1" && stringAt(live, "kind") === "Secret") {
    for (const key of ["data", "stringData"]) {
      const value = state[key];
      if (value !== undefined && value !== null) {
        state[key] = secret(value);
      }
    }
  }
  return { ...state, __initialApiVersion: stringAt(live, "apiVersion") ?? "", [FIELD_MANAGER]: fieldManager };
}

/** The field manager that the object was created with. */
export function fieldManagerOf(state: Properties): string {
  const manager = plain(state[FIELD_MANAGER] ?? null);
  return typeof manager === "string" ? manager : "pulumi-kubernetes";
}

/**
 * Inputs as they would have to be for the live object to be what it is. A value that is still what the last update left
 * keeps the program's spelling (`1000m` stays `1000m`, where the server says `1`); a value that somebody changed becomes
 * the live one. What the program never set is left out: controllers own it.
 */
export function refreshedInputs(inputs: Properties, recorded: KubernetesObject, live: KubernetesObject): Properties {
  const [before, now] = [withStringData(recorded, inputs), withStringData(live, inputs)];
  const result: Properties = {};
  for (const [key, value] of Object.entries(inputs)) {
    const kept = refreshed(value, before[key], now[key]);
    if (kept !== undefined) {
      result[key] = kept;
    }
  }
  return markPropertiesLike(result, inputs);
}

function refreshed(
  marked: PropertyValue,
  before: PropertyValue | undefined,
  now: PropertyValue | undefined,
): PropertyValue | undefined {
  const input = plain(marked);
  if (JSON.stringify(before) === JSON.stringify(now)) {
    return input;
  }
  if (isObject(input) && isObject(now)) {
    const result: Properties = {};
    for (const [key, value] of Object.entries(input)) {
      const kept = refreshed(value, isObject(before) ? before[key] : undefined, now[key]);
      if (kept !== undefined) {
        result[key] = kept;
      }
    }
    return result;
  }
  if (Array.isArray(input) && Array.isArray(now) && Array.isArray(before) && input.length === now.length) {
    return input.map((value, index) => refreshed(value, before[index], now[index]) ?? null);
  }
  return now;
}

/** The API server has `data` only; what the program wrote as `stringData` is found there, encoded. */
function withStringData(object: KubernetesObject, inputs: Properties): KubernetesObject {
  const wanted = plain(inputs["stringData"] ?? null);
  const data = object["data"];
  if (!isObject(wanted) || !isObject(data)) {
    return object;
  }
  const stringData: Properties = {};
  for (const key of Object.keys(wanted)) {
    const value = data[key];
    if (typeof value === "string") {
      stringData[key] = Buffer.from(value, "base64").toString("utf8");
    }
  }
  return { ...object, stringData };
}
