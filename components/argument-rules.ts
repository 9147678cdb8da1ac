import * as pulumi from "@pulumi/pulumi";

/** One argument that breaks its rule: `path` as the caller wrote it, `reason` with the rule, the value and the fix. */
export interface ArgumentFault {
  readonly path: string;
  readonly reason: string;
}

/**
 * Throws one error that lists every fault, or returns. Called before the first child is created, so that a refused
 * component registers nothing.
 */
export function refuseFaults(component: string, faults: readonly ArgumentFault[]): void {
  if (faults.length > 0) {
    throw new pulumi.InputPropertiesError({
      message: `${component}: ${faults.map(({ path, reason }) => `${path} ${reason}`).join("; ")}`,
      errors: faults.map(({ path, reason }) => ({ propertyPath: path, reason })),
    });
  }
}

/** Checks a whole number within bounds, both inclusive. */
export function integerWithin(path: string, value: number, min: number, max: number): ArgumentFault[] {
  return Number.isInteger(value) && value >= min && value <= max
    ? []
    : [{ path, reason: `must be a whole number from ${min} to ${max}, got ${JSON.stringify(value)}` }];
}

/** Checks a text against a pattern; `rule` says the pattern in words. */
export function textLike(path: string, value: string, pattern: RegExp, rule: string): ArgumentFault[] {
  return pattern.test(value) ? [] : [{ path, reason: `must be ${rule}, got ${JSON.stringify(value)}` }];
}

/** RFC 1123 label: namespaces, and names that become part of one. */
export const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A Kubernetes label or taint key: an optional DNS prefix and a name of at most 63 characters. */
export const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** A Kubernetes label value; may be empty. */
export const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
