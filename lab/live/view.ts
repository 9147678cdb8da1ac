import { stripVTControlCharacters } from "node:util";
import type { NodeNow } from "../record";
import type { LiveJobs, LiveState, LiveSystem } from "./state";
import { timeLine } from "./time-line";

/** What a piece of text is, for its colour. */
export type Role = "title" | "quiet" | "nodes" | "booting" | "waiting" | "starting" | "running" | "finished" | "bad";

/** How and where to draw. */
export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  /** Puts the role's colour around a text that has none; the text itself where there are no colours. */
  readonly paint: (role: Role, text: string) => string;
}

/** Below this nothing sensible can be drawn; lines are cut at the terminal's edge instead. */
const NARROWEST = 24;
/** Cells of a node: one for each tenth of its CPU. */
const CELLS = 10;

/**
 * The view as lines, none longer than the terminal is wide and together never higher than it: what is happening gives way
 * first, then the time line, then rows of nodes.
 */
export function view(state: LiveState, { columns, rows, paint }: Canvas): string[] {
  const width = Math.max(NARROWEST, columns - 1);
  // One row stays for the cursor.
  const height = Math.max(1, rows - 1);
  const head = headLines(state, width, paint);
  const system = state.system;
  const jobs = system === undefined ? [] : jobLines(system.jobs, width, paint);
  const nodes =
    system === undefined ? [] : nodeLines(system, width, Math.max(2, height - head.length - jobs.length - 9), paint);
  const time = system === undefined || system.samples.length === 0 ? [] : ["", ...timeLine(system, width, paint)];
  const fixed = [...head, ...nodes, ...jobs];
  const lines = fixed.length + time.length + 5 <= height ? [...fixed, ...time] : fixed;
  const room = height - lines.length - 2;
  const words =
    room > 0
      ? ["", paint("title", "What is happening"), ...state.said.slice(-room).map((line) => said(line, width, paint))]
      : [];
  return [...lines, ...words].slice(0, height);
}

function headLines({ elapsed, steps }: LiveState, width: number, paint: Canvas["paint"]): string[] {
  const time = `${elapsed.toFixed(0)} s`;
  const title = cut("buildkite-scale-to-zero lab", width - time.length - 2);
  const doing = steps.map(({ name, seconds }) => cut(`> ${name}, ${seconds.toFixed(0)} s`, width));
  return [`${paint("title", title)}  ${time}`, ...doing.slice(-3).map((line) => paint("quiet", line))];
}

function nodeLines(system: LiveSystem, width: number, most: number, paint: Canvas["paint"]): string[] {
  const { nodes, booting, maxNodes } = system;
  const coming = booting > 0 ? `, ${booting} booting` : "";
  const cells = [
    ...nodes.map((node) => ({ length: CELLS + 5, text: nodeCell(node, paint) })),
    ...Array.from({ length: booting }, () => ({ length: CELLS + 5, text: bootingCell(paint) })),
  ];
  const perRow = Math.max(1, Math.floor((width + 1) / (CELLS + 6)));
  const rows: string[] = [];
  for (let first = 0; first < cells.length; first += perRow) {
    rows.push(
      cells
        .slice(first, first + perRow)
        .map(({ text }) => text)
        .join(" "),
    );
  }
  const shown = rows.length <= most ? rows : rows.slice(0, Math.max(0, most - 1));
  const hidden = cells.length - shown.length * perRow;
  const title = `Nodes ${nodes.length} of at most ${maxNodes}${coming}`;
  const legend = "  filled: CPU that builds asked for; the number: builds";
  return [
    "",
    paint("title", cut(title, width)) + paint("quiet", cut(legend, width - title.length)),
    ...(cells.length === 0 ? [paint("quiet", cut("none: nothing is paid for", width))] : shown),
    ...(rows.length > shown.length ? [paint("quiet", cut(`and ${hidden} more`, width))] : []),
  ];
}

/** A node as a cell that fills: `[#####·····  2]`. */
function nodeCell({ ready, used, builds }: NodeNow, paint: Canvas["paint"]): string {
  if (!ready) {
    return bootingCell(paint);
  }
  const full = Math.min(CELLS, builds > 0 ? Math.max(1, Math.round(used * CELLS)) : 0);
  const number = String(builds).padStart(3);
  return `[${paint("nodes", "█".repeat(full))}${paint("quiet", "·".repeat(CELLS - full))}${builds > 0 ? number : paint("quiet", number)}]`;
}

function bootingCell(paint: Canvas["paint"]): string {
  return `[${paint("booting", "booting".padEnd(CELLS + 3))}]`;
}

function jobLines(jobs: LiveJobs, width: number, paint: Canvas["paint"]): string[] {
  const entries = [
    ["finished", jobs.finished, "█"],
    ["running", jobs.running, "▓"],
    ["starting", jobs.starting, "▒"],
    ["waiting", jobs.waiting, "░"],
  ] as const;
  const all = entries.reduce((sum, [, count]) => sum + count, 0);
  const lengths = shares(
    entries.map(([, count]) => count),
    all === 0 ? 0 : width,
  );
  const bar = entries.map(([role, , character], index) => paint(role, character.repeat(lengths[index] ?? 0))).join("");
  const words = entries.map(([role, count]) => ({ role, text: `${count} ${role}` }));
  const line = words.map(({ text }) => text).join("  ");
  return [
    "",
    paint("title", cut(`Builds ${all}`, width)),
    ...(all === 0 ? [] : [bar]),
    line.length <= width ? words.map(({ role, text }) => paint(role, text)).join("  ") : cut(line, width),
  ];
}

/** Whole numbers in proportion to the counts that add up to `length`; what there is at all gets at least one. */
export function shares(counts: readonly number[], length: number): number[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0 || length <= 0) {
    return counts.map(() => 0);
  }
  const whole = counts.map((count) => (count === 0 ? 0 : Math.max(1, Math.floor((count / all) * length))));
  const most = whole.indexOf(Math.max(...whole));
  const left = length - whole.reduce((sum, one) => sum + one, 0);
  return whole.map((one, index) => (index === most ? Math.max(0, one + left) : one));
}

function said(line: string, width: number, paint: Canvas["paint"]): string {
  const text = cut(line, width);
  return line.includes("FAILED") ? paint("bad", text) : text;
}

/** One line without control characters, at most so long. */
function cut(text: string, length: number): string {
  // Tabs and line ends would move the cursor.
  const plain = Array.from(stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f]/g, " "));
  return plain.length <= length
    ? plain.join("")
    : `${plain.slice(0, Math.max(0, length - 1)).join("")}…`.slice(0, Math.max(0, length));
}
