import type { FaultResult } from "./row";

const WIDTHS = [52, 9, 9, 9, 9, 6, 6, 8, 8, 8, 6] as const;

/** What a whole run came to. */
export interface RunCounts {
  readonly rows: readonly Pick<FaultResult, "complaints">[];
  readonly notRun: readonly { readonly fault: string; readonly reason: string }[];
}

/** The last line, and whether every row that was asked for was run and holds; those that were not run are named. */
export function total({ rows, notRun }: RunCounts): { text: string; allHold: boolean } {
  const holding = rows.filter(({ complaints }) => complaints.length === 0).length;
  const asked = rows.length + notRun.length;
  const missing = notRun.map(({ fault, reason }) => `not run: ${fault}: ${reason}`);
  return {
    text: [...missing, `${holding} of ${asked} rows hold`].join("\n"),
    allHold: holding === asked,
  };
}

/** The table's head. */
export function head(): string {
  const counts = ["scheduled", "ran once", "canceled", "given up", "lost", "twice", "overlap", "wasted"];
  return cells(["fault", ...counts, "healed", "MiB"]);
}

/** A row for people; what is wrong with it stands below it. */
export function line(result: FaultResult): string {
  const { fault, scheduled, ranOnce, canceled, givenUp, lost, twice, overlappingPods, wastedPods } = result;
  const counts = [scheduled, ranOnce, canceled, givenUp, lost, twice, overlappingPods, wastedPods].map(String);
  const scale = result.timeScale === 1 ? "" : ` (1:${result.timeScale})`;
  const row = cells([
    `${fault}${scale}`,
    ...counts,
    result.healedSeconds === null ? "never" : `${result.healedSeconds} s`,
    String(result.peakMiB),
  ]);
  return [row, ...result.complaints.map((complaint) => `  FAILED: ${complaint}`)].join("\n");
}

function cells(texts: readonly string[]): string {
  return texts
    .map((text, index) => (index === 0 ? text.padEnd(WIDTHS[0]) : text.padStart((WIDTHS[index] ?? 8) + 1)))
    .join("");
}
