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
