import { textOf } from "../../policy/fields";

/** What the engine writes for a value that only `up` will know. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** The key by which the engine marks an object as a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";

/** What a person reads for a value that only `up` will know. */
export const LATER = "(known after the update)";

/** Whether only `up` will know the value. */
export function isUnknown(value: unknown): boolean {
  return value === UNKNOWN;
}

/** Whether the value is there, but must not be shown. */
export function isSecret(value: unknown): boolean {
  return value === "[secret]" || (typeof value === "object" && value !== null && SIGNATURE in value);
}

/** Words for a value that cannot be shown, or must not be; undefined for one that can. */
export function hidden(value: unknown): string | undefined {
  return isUnknown(value) ? LATER : isSecret(value) ? "(secret)" : undefined;
}

/** The list's elements; a hidden list is its one element, so that it is told, and not taken for an empty one. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : hidden(value) === undefined ? [] : [value];
}

/** A value for a person: texts, numbers and switches; in words what cannot be shown, or must not be. */
export function shown(value: unknown): string {
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  return hidden(value) ?? textOf(value) ?? (typeof value === "object" && value !== null ? "(an object)" : "-");
}

/** The list's elements for a person. */
export function listShown(value: unknown): string {
  return itemsOf(value).map(shown).join(", ");
}
