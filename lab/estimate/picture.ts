import { scaleTo, type Scale } from "../report/axis";
import { escapeText } from "../report/escape";
import type { Estimate, Series } from "./estimate";
import type { Outcome } from "./scenario";
import { money, seriesName, waitText } from "./table";

const WIDTH = 1120;
const HEIGHT = 460;
const LEFT = 70;
const RIGHT = WIDTH - 30;
const TOP = 40;
const BOTTOM = HEIGHT - 62;

/** Colours there are for lines; from the ninth on they begin again, dashed otherwise. */
export const COLOURS = 8;

/** Waiting time against cost: one line for each series, a dot for each maximum, a ring around each knee. */
export function kneeSvg({ series: all }: Estimate): string {
  const series = all.map((one) => ({ ...one, outcomes: shown(one.outcomes, all) }));
  const outcomes = series.flatMap((one) => one.outcomes);
  const unit = unitFor(Math.max(...outcomes.map(({ waitP95Seconds }) => waitP95Seconds)));
  // Both axes begin at 0 and are linear: so the knee of the numbers is the knee that is seen.
  const x = scaleTo(
    Math.max(...outcomes.map(({ waitP95Seconds }) => waitP95Seconds)) / unit.seconds,
    LEFT,
    RIGHT,
    12,
    false,
  );
  const y = scaleTo(Math.max(1, ...outcomes.map(({ nodeCost }) => nodeCost)), BOTTOM, TOP, 6, false);
  const at = ({ waitP95Seconds, nodeCost }: Outcome): readonly [number, number] => [
    x.position(waitP95Seconds / unit.seconds),
    y.position(nodeCost),
  ];
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(describe(series))}">`,
    `<text class="panel" x="${LEFT}" y="${TOP - 18}">Nodes' cost a month (USD)</text>`,
    axes(x, y, unit.name),
    ...series.map((one, index) => line(one, index, at)),
    labels(series, at),
    "</svg>",
  ].join("\n");
}

/** Classes of a line's colour and dashes. */
export function lineClass(index: number): string {
  return `series-${index % COLOURS}${index >= COLOURS ? " dashed" : ""}`;
}

/** Pools that never catch up are left out where others do: their hours would squeeze the rest into a corner. */
function shown(outcomes: readonly Outcome[], all: readonly Series[]): readonly Outcome[] {
  const some = all.some((one) => one.outcomes.some(({ keepsUp }) => keepsUp));
  return some ? outcomes.filter(({ keepsUp }) => keepsUp) : outcomes;
}

function unitFor(most: number): { readonly seconds: number; readonly name: string } {
  return most < 180
    ? { seconds: 1, name: "seconds" }
    : most < 3 * 3600
      ? { seconds: 60, name: "minutes" }
      : { seconds: 3600, name: "hours" };
}

function describe(series: readonly Series[]): string {
  const knees = series.map(
    (one) => `${seriesName(one)}: ${one.knee === undefined ? "no knee" : `knee at ${one.knee} nodes`}`,
  );
  return `Waiting time against cost. ${knees.join("; ")}`;
}

function axes(x: Scale, y: Scale, unit: string): string {
  const across = y.ticks.map((tick) => {
    const at = y.position(tick).toFixed(1);
    return (
      `<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${at}" y2="${at}"/>` +
      `<text class="tick" x="${LEFT - 8}" y="${at}" dy="0.35em" text-anchor="end">${tick}</text>`
    );
  });
  const along = x.ticks.map((tick) => {
    const at = x.position(tick).toFixed(1);
    return (
      `<line class="axis" x1="${at}" x2="${at}" y1="${BOTTOM}" y2="${BOTTOM + 5}"/>` +
      `<text class="tick" x="${at}" y="${BOTTOM + 19}" text-anchor="middle">${tick}</text>`
    );
  });
  return (
    across.join("") +
    along.join("") +
    `<line class="axis" x1="${LEFT}" x2="${RIGHT}" y1="${BOTTOM}" y2="${BOTTOM}"/>` +
    `<text class="label" x="${(LEFT + RIGHT) / 2}" y="${BOTTOM + 44}" text-anchor="middle">95 of 100 builds wait at most so long (${unit})</text>`
  );
}

function line(one: Series, index: number, at: (row: Outcome) => readonly [number, number]): string {
  const points = one.outcomes.map((row) =>
    at(row)
      .map((value) => value.toFixed(1))
      .join(","),
  );
  const dots = one.outcomes.map((row) => {
    const [x, y] = at(row).map((value) => value.toFixed(1));
    const title =
      `${seriesName(one)}, at most ${row.maxNodes} nodes: p95 ${waitText(row.waitP95Seconds)}, p50 ${waitText(row.waitP50Seconds)}, ` +
      `${money(row.nodeCost)} a month, ${row.coldStarts.toFixed(0)} cold starts`;
    const ring = row.maxNodes === one.knee ? `<circle class="knee" cx="${x}" cy="${y}" r="10"/>` : "";
    return `<g><title>${escapeText(title)}</title>${ring}<circle class="dot" cx="${x}" cy="${y}" r="4.5"/></g>`;
  });
  return `<g class="${lineClass(index)}"><polyline class="line" points="${points.join(" ")}"/>${dots.join("")}</g>`;
}

/** The maximum beside each dot; where dots lie upon each other, only the first has its number. */
function labels(series: readonly Series[], at: (row: Outcome) => readonly [number, number]): string {
  const taken: (readonly [number, number])[] = [];
  const texts = series.flatMap((one) =>
    [...one.outcomes]
      // A knee's number before others'.
      .sort((a, b) => Number(b.maxNodes === one.knee) - Number(a.maxNodes === one.knee))
      .flatMap((row) => {
        const [dotX, dotY] = at(row);
        const place = [
          [dotX + 13, dotY - 9],
          [dotX + 13, dotY + 13],
          [dotX - 24, dotY - 9],
        ].find(([x = 0, y = 0]) => taken.every(([a, b]) => Math.abs(a - x) > 26 || Math.abs(b - y) > 13));
        if (place === undefined) {
          return [];
        }
        const [x = 0, y = 0] = place;
        taken.push([x, y]);
        const weight = row.maxNodes === one.knee ? " knee-label" : "";
        return [`<text class="dot-label${weight}" x="${x.toFixed(1)}" y="${y.toFixed(1)}">${row.maxNodes}</text>`];
      }),
  );
  return texts.join("");
}
