/** An object of which nothing is known but that it has fields. */
export type Fields = Readonly<Record<string, unknown>>;

/** The value's fields; none where it is no object. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The fields at the end of a path; none where something on the way is missing. */
export function fieldsAt(value: unknown, ...path: readonly string[]): Fields {
  return path.reduce((fields, name) => fieldsOf(fields[name]), fieldsOf(value));
}

/** The list's elements; none where it is no list. */
export function elementsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The list's texts and numbers as texts. */
export function textsOf(value: unknown): readonly string[] {
  return elementsOf(value).map((element) => textOf(element) ?? "");
}

/** A text, or a number as a text; undefined for everything else. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
}

/** Whether a field is there, without reading it: at preview the engine refuses to tell a value it does not know yet. */
export function has(fields: Fields, name: string): boolean {
  return Object.hasOwn(fields, name);
}
