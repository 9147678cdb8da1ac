import type { Scale } from "../report/axis";
import { escapeText } from "../report/escape";

/** A line of a {@link LineChart}. */
export interface Series {
  readonly name: string;
  /** A class of the style sheet's. */
  readonly style: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Reckoned, not measured: drawn in dashes from the last point. */
  readonly beyond?: readonly { readonly x: number; readonly y: number }[];
}

/** A chart of figures by number of jobs. */
export interface LineChart {
  readonly title: string;
  readonly unit: string;
  readonly width: number;
  readonly height: number;
  /** Makes a scale between two positions. */
  readonly x: (from: number, to: number) => Scale;
  readonly y: (from: number, to: number) => Scale;
  readonly series: readonly Series[];
}

const MARGIN = { left: 64, right: 150, top: 34, bottom: 46 };
/** Names at the lines' ends keep this distance. */
const NAME_HEIGHT = 16;

/** The chart as inline SVG; each line has its name at its end and its values as tooltips. */
export function lineChartSvg(chart: LineChart): string {
  const { width, height, title, unit, series } = chart;
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const x = chart.x(MARGIN.left, right);
  const y = chart.y(bottom, MARGIN.top);
  return [
    `<svg class="growth" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(`${title}: ${describe(series)}`)}">`,
    `<text class="panel" x="${MARGIN.left}" y="14">${escapeText(title)}</text>`,
    ...y.ticks.map((tick) => {
      const at = y.position(tick).toFixed(1);
      return (
        `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${at}" y2="${at}"/>` +
        `<text class="tick" x="${MARGIN.left - 8}" y="${at}" dy="0.35em" text-anchor="end">${number(tick)}</text>`
      );
    }),
    ...x.ticks.map((tick) => {
      const at = x.position(tick).toFixed(1);
      return (
        `<line class="axis" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 5}"/>` +
        `<text class="tick" x="${at}" y="${bottom + 19}" text-anchor="middle">${number(tick)}</text>`
      );
    }),
    `<line class="axis" x1="${MARGIN.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    `<text class="label" x="${(MARGIN.left + right) / 2}" y="${bottom + 38}" text-anchor="middle">jobs scheduled at one moment</text>`,
    ...series.map((one) => line(one, x, y, unit)),
    ...names(series, y, right),
    "</svg>",
  ].join("\n");
}

function line({ name, style, points, beyond = [] }: Series, x: Scale, y: Scale, unit: string): string {
  const path = (all: Series["points"]): string =>
    all.map((point) => `${x.position(point.x).toFixed(1)},${y.position(point.y).toFixed(1)}`).join(" ");
  const last = points.slice(-1);
  const dashes =
    beyond.length === 0
      ? ""
      : `<polyline class="line ${style} reckoned" points="${path([...last, ...beyond])}"><title>${escapeText(name)}, reckoned</title></polyline>`;
  const dots = points.map(
    (point) =>
      `<circle class="dot ${style}" cx="${x.position(point.x).toFixed(1)}" cy="${y.position(point.y).toFixed(1)}" r="3.5">` +
      `<title>${escapeText(`${name}: ${number(point.x)} jobs, ${number(point.y)} ${unit}`)}</title></circle>`,
  );
  return `<polyline class="line ${style}" points="${path(points)}"/>${dashes}${dots.join("")}`;
}

/** At the lines' ends, pushed apart where they would lie on each other. */
function names(series: readonly Series[], y: Scale, right: number): string[] {
  const ends = series
    .flatMap(({ name, style, points, beyond = [] }) => {
      const last = [...points, ...beyond].at(-1);
      return last === undefined ? [] : [{ name, style, at: y.position(last.y) }];
    })
    .sort((a, b) => a.at - b.at);
  let above = Number.NEGATIVE_INFINITY;
  return ends.map(({ name, style, at }) => {
    above = Math.max(at, above + NAME_HEIGHT);
    return `<text class="name ${style}" x="${right + 10}" y="${above.toFixed(1)}" dy="0.35em">${escapeText(name)}</text>`;
  });
}

function describe(series: readonly Series[]): string {
  return series
    .map(({ name, points }) => `${name} ${points.map(({ x, y }) => `${number(y)} at ${number(x)}`).join(", ")}`)
    .join("; ");
}

function number(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}
