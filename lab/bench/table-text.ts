import type { BenchResults } from "./bench-results";
import { tablesOf, type Table } from "./summary-table";

/** The tables in columns, for a terminal. */
export function plainText(results: BenchResults): string {
  return tablesOf(results).map(columns).join("\n\n");
}

/** `out/bench.md`: the tables and what they were measured on, to be pasted into docs/performance.md. */
export function markdown(results: BenchResults): string {
  const { machine, parts, size, seconds, measuredAt } = results;
  const versions = parts.filter(({ kind }) => kind === "real").map(({ name, version }) => `${name} ${version}`);
  const warning = size === "quick" ? ["Measured with `--quick`: these figures mean nothing.", ""] : [];
  return [
    ...warning,
    ...tablesOf(results).flatMap((table) => [`**${table.title}**`, "", ...markdownRows(table), ""]),
    `Measured on ${measuredAt.slice(0, 10)} in one run of ${seconds} s${size === "full" ? " (`--full`)" : ""}: ` +
      `${String(machine["cpus"])} × ${String(machine["cpu"])}, ${String(machine["memoryGiB"])} GiB, ` +
      `Linux ${String(machine["kernel"])}, Node ${String(machine["node"])}; ${versions.join(", ")}.`,
    "",
  ].join("\n");
}

function columns({ title, head, rows }: Table): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [title, line(head), ...rows.map(line)].join("\n");
}

function markdownRows({ head, rows }: Table): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...rows.map(row)];
}
