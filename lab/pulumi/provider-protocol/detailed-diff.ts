import { isObject, plain, type Properties, type PropertyValue } from "./property-values";

export type DiffKind = "add" | "delete" | "update";

/** Where two property bags differ: property path, as the engine writes it, to what happened there. */
export type DetailedDiff = Map<string, { kind: DiffKind; keys: readonly (string | number)[] }>;

/** Compares two bags leaf by leaf. Secret markers do not count: only values do. */
export function compare(olds: Properties, news: Properties): DetailedDiff {
  const diff: DetailedDiff = new Map();
  compareObjects(stripped(olds), stripped(news), [], diff);
  return diff;
}

function stripped(properties: Properties): Properties {
  const value = plain(properties);
  return isObject(value) ? value : {};
}

function compareObjects(olds: Properties, news: Properties, path: (string | number)[], diff: DetailedDiff): void {
  for (const key of new Set([...Object.keys(olds), ...Object.keys(news)])) {
    // Bookkeeping of providers, never a difference of its own.
    if (!key.startsWith("__")) {
      compareValues(olds[key], news[key], [...path, key], diff);
    }
  }
}

function compareValues(
  oldValue: PropertyValue | undefined,
  newValue: PropertyValue | undefined,
  path: (string | number)[],
  diff: DetailedDiff,
): void {
  const before = oldValue ?? undefined;
  const after = newValue ?? undefined;
  if (before === undefined && after === undefined) {
    return;
  }
  if (before === undefined || after === undefined) {
    diff.set(propertyPath(path), { kind: before === undefined ? "add" : "delete", keys: path });
  } else if (isObject(before) && isObject(after)) {
    compareObjects(before, after, path, diff);
  } else if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index++) {
      compareValues(before[index], after[index], [...path, index], diff);
    }
  } else if (before !== after) {
    diff.set(propertyPath(path), { kind: "update", keys: path });
  }
}

/** A path as the engine parses it: `spec.containers[0].env`, `metadata.labels["app.kubernetes.io/name"]`. */
export function propertyPath(keys: readonly (string | number)[]): string {
  let text = "";
  for (const key of keys) {
    if (typeof key === "number") {
      text += `[${key}]`;
    } else if (/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(key)) {
      text += text === "" ? key : `.${key}`;
    } else {
      text += `[${JSON.stringify(key)}]`;
    }
  }
  return text;
}

/**
 * Whether a difference touches one of the paths: the path itself, something below it, or, where a whole subtree came
 * or went, something above it. Paths are written without array positions (`spec.containers.image`).
 */
export function touches(difference: { kind: DiffKind; keys: readonly (string | number)[] }, paths: readonly string[]) {
  const changed = difference.keys.filter((key) => typeof key === "string");
  return paths.some((path) => {
    const wanted = path.split(".");
    const shared = Math.min(wanted.length, changed.length);
    const same = wanted.slice(0, shared).every((key, index) => key === changed[index]);
    return same && (changed.length >= wanted.length || difference.kind !== "update");
  });
}
