import type { FaultRow } from "../lab/faults/row";

/** The lines between which docs/faults.md holds the table. */
export const FAULTS_MARKERS = { begin: "<!-- rows -->", end: "<!-- /rows -->" } as const;

/** Every row of `npm run faults` as a Markdown table. Pure. */
export function faultsTable(rows: readonly Pick<FaultRow, "name" | "note" | "timeScale">[]): string {
  const lines = rows.map(({ name, note, timeScale }) => {
    return `| ${cell(name)} | ${cell(note)} | ${timeScale === 1 ? "as they are" : `1:${timeScale}`} |`;
  });
  return ["| Row | What is done | Waits |", "| --- | --- | --- |", ...lines].join("\n");
}

/**
 * A document with the text between the markers replaced.
 *
 * @throws Error when a marker is missing.
 */
export function withFaultsTable(document: string, table: string): string {
  const begin = document.indexOf(FAULTS_MARKERS.begin);
  const end = document.indexOf(FAULTS_MARKERS.end);
  if (begin < 0 || end < begin) {
    throw new Error(`docs/faults.md must hold the line ${FAULTS_MARKERS.begin} and, after it, ${FAULTS_MARKERS.end}`);
  }
  return `${document.slice(0, begin + FAULTS_MARKERS.begin.length)}\n\n${table}\n\n${document.slice(end)}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
