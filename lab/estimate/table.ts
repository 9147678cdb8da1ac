import type { Estimate, Series } from "./estimate";
import type { Outcome } from "./scenario";

/** A profile as GKE's command line has it. */
export function profileName(profile: Outcome["profile"]): string {
  return profile.toLowerCase().replaceAll("_", "-");
}

/** A waiting time for people: `45 s`, `3.5 min`, `2.4 h`. */
export function waitText(seconds: number): string {
  return seconds < 90
    ? `${seconds.toFixed(0)} s`
    : seconds < 5400
      ? `${(seconds / 60).toFixed(1)} min`
      : `${(seconds / 3600).toFixed(1)} h`;
}

/** Whole dollars, cents below ten. */
export function money(usd: number): string {
  return `$${usd.toFixed(usd < 10 ? 2 : 0)}`;
}

/** What a line of the picture is, in words. */
export function seriesName({ machineType, profile, spotShare }: Series): string {
  const price = spotShare === 0 ? "on demand" : spotShare === 1 ? "Spot" : `${(spotShare * 100).toFixed(0)} % Spot`;
  return `${machineType}, ${profileName(profile)}, ${price}`;
}

/** Heads of {@link cells}. */
export const COLUMNS = [
  "max nodes",
  "wait p50",
  "wait p95",
  "nodes/month",
  "always on",
  "saved",
  "cold starts",
  "peak",
  "hours paid",
  "hours used",
  "utilisation",
] as const;

/** One row, in the order of {@link COLUMNS}. */
export function cells(row: Outcome): string[] {
  const saved = row.alwaysOnCost > 0 ? 1 - row.nodeCost / row.alwaysOnCost : 0;
  return [
    `${row.maxNodes}${row.keepsUp ? "" : " (too few)"}`,
    waitText(row.waitP50Seconds),
    waitText(row.waitP95Seconds),
    money(row.nodeCost),
    money(row.alwaysOnCost),
    `${(saved * 100).toFixed(0)} %`,
    row.coldStarts.toFixed(0),
    String(row.peakNodes),
    row.nodeHoursPaid.toFixed(0),
    row.nodeHoursUsed.toFixed(0),
    `${(row.utilisation * 100).toFixed(0)} %`,
  ];
}

/** The table as plain text. */
export function tableText({ series, history, clusterFee, warnings, monthDays }: Estimate): string {
  const rows = series.flatMap((one) => one.outcomes.map(cells));
  const widths = COLUMNS.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (texts: readonly string[]): string => texts.map((text, at) => text.padStart(widths[at] ?? 0)).join("  ");
  const leftOut = Object.entries(history.leftOut).map(([reason, count]) => `${count} ${reason}`);
  return [
    `${history.jobs} jobs in ${history.days.toFixed(1)} days; in reality they waited ${waitText(history.waitP50Seconds)} (p50), ` +
      `${waitText(history.waitP95Seconds)} (p95)${leftOut.length === 0 ? "" : `; left out: ${leftOut.join(", ")}`}`,
    `A month is ${monthDays} days; GKE's fee for the cluster comes on top: ${money(clusterFee)}`,
    ...series.flatMap((one) => [
      "",
      seriesName(one),
      `  ${line(COLUMNS)}`,
      ...one.outcomes.map((row) => `${row.maxNodes === one.knee ? "* " : "  "}${line(cells(row))}`),
    ]),
    "",
    "* the knee: up to it money buys much waiting time, beyond it little (docs/estimate.md)",
    ...warnings.map((text) => `! ${text}`),
  ].join("\n");
}
