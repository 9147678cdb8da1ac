import { isObject, type Properties, type PropertyValue } from "../provider-protocol/property-values";

/** An object as the API server has it, or as it is sent there: no markers of Pulumi's in it. */
export type KubernetesObject = Properties;

/** The value at a path, or `undefined` where there is none. */
export function at(object: PropertyValue | undefined, ...path: (string | number)[]): PropertyValue | undefined {
  let value = object;
  for (const key of path) {
    if (Array.isArray(value) && typeof key === "number") {
      value = value[key];
    } else if (isObject(value)) {
      value = value[key];
    } else {
      return undefined;
    }
  }
  return value ?? undefined;
}

export function stringAt(object: PropertyValue | undefined, ...path: (string | number)[]): string | undefined {
  const value = at(object, ...path);
  return typeof value === "string" ? value : undefined;
}

export function numberAt(object: PropertyValue | undefined, ...path: (string | number)[]): number | undefined {
  const value = at(object, ...path);
  return typeof value === "number" ? value : undefined;
}

export function listAt(object: PropertyValue | undefined, ...path: (string | number)[]): PropertyValue[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? value : [];
}

export function annotation(object: KubernetesObject, name: string): string | undefined {
  return stringAt(object, "metadata", "annotations", name);
}

/** `namespace/name`, or the name alone for what is in no namespace: the resource's id in Pulumi. */
export function idOf(object: KubernetesObject): string {
  const [namespace, name] = [stringAt(object, "metadata", "namespace"), stringAt(object, "metadata", "name") ?? ""];
  return namespace === undefined ? name : `${namespace}/${name}`;
}
