import { isObject, isUnknown, type Properties, type PropertyValue } from "../pulumi/provider-protocol/property-values";

/** A broken rule: which property, and why. */
export interface Failure {
  property: string;
  reason: string;
}

/** Reads inputs by path and collects what is wrong with them. What is not known yet breaks no rule. */
export class InputReader {
  readonly failures: Failure[] = [];
  readonly #inputs: Properties;

  constructor(inputs: Properties) {
    this.#inputs = inputs;
  }

  get(path: string): PropertyValue | undefined {
    let value: PropertyValue | undefined = this.#inputs;
    for (const key of path.split(".")) {
      if (Array.isArray(value)) {
        value = value[Number(key)];
      } else if (isObject(value)) {
        value = value[key];
      } else {
        return undefined;
      }
      if (isUnknown(value)) {
        return undefined;
      }
    }
    return value ?? undefined;
  }

  /** Whether the property is set at all, to a known value or not. */
  has(path: string): boolean {
    const keys = path.split(".");
    const last = keys.pop() ?? "";
    const parent = keys.length === 0 ? this.#inputs : this.get(keys.join("."));
    return isObject(parent) && parent[last] !== undefined && parent[last] !== null;
  }

  fail(property: string, reason: string): void {
    this.failures.push({ property, reason });
  }

  required(...paths: string[]): void {
    for (const path of paths) {
      if (!this.has(path)) {
        this.fail(path, `missing required property ${JSON.stringify(path)}`);
      }
    }
  }

  string(path: string, rule?: { pattern?: RegExp; oneOf?: readonly string[]; says: string }): string | undefined {
    const value = this.get(path);
    if (value === undefined) {
      return undefined;
    }
    if (typeof value !== "string") {
      this.fail(path, `expected a string, got ${JSON.stringify(value)}`);
      return undefined;
    }
    const fits = (rule?.pattern?.test(value) ?? true) && (rule?.oneOf?.includes(value) ?? true);
    if (rule !== undefined && !fits) {
      this.fail(path, `${rule.says}, got ${JSON.stringify(value)}`);
    }
    return value;
  }

  integer(path: string, minimum: number, maximum = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.get(path);
    if (value === undefined) {
      return undefined;
    }
    if (typeof value !== "number" || !Number.isInteger(value) || value < minimum || value > maximum) {
      const range =
        maximum === Number.MAX_SAFE_INTEGER ? `at least ${minimum}` : `in the range (${minimum} - ${maximum})`;
      this.fail(path, `expected to be an integer of ${range}, got ${JSON.stringify(value)}`);
      return undefined;
    }
    return value;
  }

  list(path: string): PropertyValue[] {
    const value = this.get(path);
    return Array.isArray(value) ? value : [];
  }

  map(path: string): Properties {
    const value = this.get(path);
    return isObject(value) ? value : {};
  }
}
