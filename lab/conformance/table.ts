import { MODES, type Mode } from "./modes";
import type { CaseResult, Figure } from "./results";
import { spreadOf, type Spread } from "./statistics";

const HEAD = ["case", "mode", "agent's exit", "dind end", "pod end", "Job end", "pod", "Job", "left behind", ""];

/** One table for people: case by mode. With several rounds a row shows the median of its times. */
export function caseTable(results: readonly CaseResult[]): string[] {
  const rows = groups(results).map((rounds) => {
    const last = rounds.at(-1);
    if (last === undefined) {
      return [];
    }
    const median = (time: keyof CaseResult): string => {
      const values = rounds.flatMap((round) => (typeof round[time] === "number" ? [round[time]] : []));
      const spread = spreadOf(values);
      return spread === undefined ? "never" : seconds(spread.median);
    };
    return [
      last.case,
      last.mode,
      last.agentExit,
      ...(last.agentCode === null
        ? ["-", "-", "-"]
        : [
            dindNeverBegan(last) ? "-" : median("agentEndToDindEndMs"),
            median("agentEndToPodTerminalMs"),
            median("agentEndToJobTerminalMs"),
          ]),
      last.podPhase,
      last.jobResult,
      last.leftovers.length === 0 ? "nothing" : String(last.leftovers.length),
      verdict(rounds),
    ];
  });
  return columns([HEAD, ...rows]);
}

/** The figures with their aims. */
export function figureTable(figures: readonly Figure[]): string[] {
  const cells = figures.map(({ figure, aim, measured }) => [
    figure,
    ...MODES.map((mode) => cell(measured[mode], aim[mode])),
  ]);
  return columns([["min / median / max", ...MODES], ...cells]);
}

/** Both tables as Markdown, for docs/sidecar.md. */
export function markdownTables(results: readonly CaseResult[], figures: readonly Figure[]): string {
  const names = [...new Set(results.map((result) => result.case))];
  const byMode = (name: string, mode: Mode): string => {
    const rounds = results.filter((result) => result.case === name && result.mode === mode);
    const last = rounds.at(-1);
    if (last === undefined) {
      return "-";
    }
    const ends = rounds.flatMap(({ agentEndToDindEndMs }) => agentEndToDindEndMs ?? []);
    const spread = spreadOf(ends);
    const dind = last.agentCode === null ? "no agent" : spread === undefined ? "dind never ends" : spreadText(spread);
    return `${rounds.every(({ ok }) => ok) ? "" : "**"}${last.agentExit}; ${dind}; ${last.jobResult}${rounds.every(({ ok }) => ok) ? "" : "**"}`;
  };
  return [
    "| case | the post | shared-volume | native |",
    "| --- | --- | --- | --- |",
    ...names.map((name) => `| ${name} | ${MODES.map((mode) => byMode(name, mode)).join(" | ")} |`),
    "",
    "| figure (min / median / max) | the post | shared-volume | native | aim |",
    "| --- | --- | --- | --- | --- |",
    ...figures.map(
      ({ figure, aim, measured }) =>
        `| ${figure} | ${MODES.map((mode) => cell(measured[mode], undefined)).join(" | ")} | ${aimText(aim)} |`,
    ),
    "",
  ].join("\n");
}

function dindNeverBegan({ dindCode, leftovers }: CaseResult): boolean {
  return dindCode === null && !leftovers.some((one) => one.startsWith("container dind"));
}

function aimText(aim: Figure["aim"]): string {
  const [shared, native] = [aim["shared-volume"], aim.native];
  const text = (value: number | undefined): string => (value === undefined ? "-" : `<= ${seconds(value)}`);
  return shared === native ? text(native) : `${text(shared)} / ${text(native)}`;
}

function cell(spread: Spread | null | undefined, aim: number | undefined): string {
  if (spread === undefined || spread === null) {
    return spread === null ? "never" : "-";
  }
  const missed = aim !== undefined && spread.median > aim ? `, aim ${seconds(aim)}` : "";
  return `${spreadText(spread)}${missed}`;
}

function spreadText({ min, median, max, count }: Spread): string {
  return count === 1 ? seconds(median) : `${seconds(min)} / ${seconds(median)} / ${seconds(max)}`;
}

function verdict(rounds: readonly CaseResult[]): string {
  if (!rounds.every(({ asDocumented }) => asDocumented)) {
    return "WRONG";
  }
  return rounds.every(({ ok }) => ok) ? "ok" : "fails, as documented";
}

/** Rounds of the same case and mode together, in the order of cases and modes. */
function groups(results: readonly CaseResult[]): CaseResult[][] {
  const names = [...new Set(results.map((result) => result.case))];
  return names.flatMap((name) =>
    MODES.map((mode) => results.filter((result) => result.case === name && result.mode === mode)).filter(
      (rounds) => rounds.length > 0,
    ),
  );
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 1_000 ? 2 : 1)} s`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
