import { textOf } from "../../policy/fields";

/** What the engine writes for a value that only `up` will know. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** The key by which the engine marks an object as a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";

/** A value for a person: texts, numbers and switches; in words what cannot be shown, or must not be. */
export function shown(value: unknown): string {
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  const text = textOf(value);
  if (text !== undefined) {
    return text === UNKNOWN ? "(known after the update)" : text === "[secret]" ? "(secret)" : text;
  }
  if (typeof value === "object" && value !== null) {
    return SIGNATURE in value ? "(secret)" : "(an object)";
  }
  return "-";
}

/** A text as a cell of a markdown table: it stays one cell, one line, and plain text. */
export function cell(text: string): string {
  return text
    .replace(/[\\`*_[\]|~]/g, "\\$&")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/\s+/g, " ")
    .trim();
}

/** A markdown table. Cells that carry markup of our own are passed as `{ markdown }`. */
export function table(head: readonly string[], rows: readonly (readonly (string | { markdown: string })[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(head),
    line(head.map(() => "---")),
    ...rows.map((row) => line(row.map((one) => (typeof one === "string" ? cell(one) : one.markdown)))),
  ].join("\n");
}
