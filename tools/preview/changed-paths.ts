import type { Fields } from "../../policy/fields";
import type { PreviewStep } from "./preview";
import { isSecret, isUnknown } from "./shown";

/** A place in a resource's inputs that the preview changes, in the engine's spelling. */
export interface ChangedPath {
  /** `metadata.labels["a.b/c"]`. */
  readonly path: string;
  /** Whether only `up` will know what it changes to. */
  readonly unknown: boolean;
}

/** Where a resource's inputs change, each place once: as they were told, and as the engine says it (of secrets only it knows). */
export function changedPaths({ before, after, paths }: PreviewStep): ChangedPath[] {
  const found = new Map([...paths.map((path) => [path, false] as const), ...differences(before, after, "")]);
  return [...found].map(([path, unknown]) => ({ path, unknown }));
}

/** An empty object is not the same as none: a selector that is there and empty takes everything. */
function* differences(before: unknown, after: unknown, path: string): Generator<readonly [string, boolean]> {
  if (isUnknown(after) || isUnknown(before)) {
    yield [path, isUnknown(after)];
  } else if (isSecret(before) || isSecret(after)) {
    if (isSecret(before) !== isSecret(after)) {
      yield [path, false];
    }
  } else if (isContainer(before ?? after) && isContainer(after ?? before)) {
    const [was, is] = [childrenOf(before), childrenOf(after)];
    const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    for (const key of keys) {
      yield* differences(was[key], is[key], joined(path, key, Array.isArray(before ?? after)));
    }
    if (
      keys.length === 0 &&
      (isContainer(before) !== isContainer(after) || Array.isArray(before) !== Array.isArray(after))
    ) {
      yield [path, false];
    }
  } else if ((before ?? undefined) !== (after ?? undefined)) {
    yield [path, false];
  }
}

function isContainer(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Fields of an object, elements of a list by their indexes. */
function childrenOf(value: unknown): Fields {
  return isContainer(value) ? (value as Fields) : {};
}

function joined(path: string, key: string, inList: boolean): string {
  if (inList) {
    return `${path}[${key}]`;
  }
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) {
    return `${path}[${JSON.stringify(key)}]`;
  }
  return path === "" ? key : `${path}.${key}`;
}
