import { scaleTo, scaleWithin, type Scale } from "./axis";
import { escapeText } from "./escape";
import type { RunReport, Sample } from "./run-record";

const WIDTH = 1120;
const LEFT = 56;
const RIGHT = WIDTH - 20;
/** Height of one row of phases above the panels. */
const LANE = 20;
const PANELS = { nodes: 170, gap: 58, builds: 230, foot: 56 };

/** Where the rows of the picture lie, from the top. */
interface Layout {
  readonly marks: number;
  readonly nodes: { readonly top: number; readonly bottom: number };
  readonly builds: { readonly top: number; readonly bottom: number };
  readonly height: number;
}

/**
 * The timeline as one inline SVG: nodes above, builds below, one time axis in seconds since the run's start, phases as
 * numbered bars and bands, marks as letters. It shows the time for which there are samples.
 */
export function timelineSvg(run: RunReport): string {
  const samples: readonly Sample[] =
    run.samples.length > 0 ? run.samples : [{ at: run.startedAt, queued: 0, running: 0, finished: 0, nodes: 0 }];
  const from = ((samples[0]?.at ?? run.startedAt) - run.startedAt) / 1000;
  const to = Math.max(from + 1, ((samples.at(-1)?.at ?? run.endedAt) - run.startedAt) / 1000);
  const x = scaleWithin(from, to, LEFT, RIGHT, 14);
  const at = (epochMs: number): number => Math.min(RIGHT, Math.max(LEFT, x.position((epochMs - run.startedAt) / 1000)));
  const lanes = phaseLanes(run, at);
  const layout = layoutFor(lanes.length);
  const highest = Math.max(1, ...run.maxima.map(({ maxNodes }) => maxNodes), ...samples.map(({ nodes }) => nodes));
  // A little room above the maximum, for its label.
  const nodes = scaleTo(highest * 1.08, layout.nodes.bottom, layout.nodes.top, 5, true);
  const builds = scaleTo(Math.max(1, ...samples.map(total)), layout.builds.bottom, layout.builds.top, 5, true);
  return [
    `<svg viewBox="0 0 ${WIDTH} ${layout.height}" role="img" aria-label="${escapeText(describe(run))}">`,
    phaseBars(lanes, layout),
    panel("Nodes in the pool", layout.nodes, nodes),
    panel("Builds", layout.builds, builds),
    timeAxis(x, layout.builds.bottom, run.timeScale),
    area(samples, at, (sample) => [0, sample.nodes], nodes, "nodes", "nodes", true),
    area(samples, at, (s) => [0, s.finished], builds, "finished", "finished builds"),
    area(samples, at, (s) => [s.finished, s.finished + s.running], builds, "running", "running builds"),
    area(samples, at, (s) => [s.finished + s.running, total(s)], builds, "queued", "waiting builds"),
    markLines(run, at, layout),
    maximumLine(run, at, nodes),
    "</svg>",
  ].join("\n");
}

function layoutFor(lanes: number): Layout {
  const marks = lanes * LANE + 16;
  const top = marks + 44;
  const bottom = top + PANELS.nodes;
  const below = bottom + PANELS.gap;
  const foot = below + PANELS.builds;
  return { marks, nodes: { top, bottom }, builds: { top: below, bottom: foot }, height: foot + PANELS.foot };
}

function total({ queued, running, finished }: Sample): number {
  return queued + running + finished;
}

function describe(run: RunReport): string {
  const peak = Math.max(0, ...run.samples.map(({ nodes }) => nodes));
  const last = run.samples.at(-1);
  const most = Math.max(0, ...run.samples.map(total));
  return `Timeline: ${most} builds; nodes from ${run.samples[0]?.nodes ?? 0} to ${peak} to ${last?.nodes ?? 0}`;
}

function panel(title: string, { top, bottom }: { top: number; bottom: number }, y: Scale): string {
  const lines = y.ticks.map((tick) => {
    const at = y.position(tick).toFixed(1);
    return (
      `<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${at}" y2="${at}"/>` +
      `<text class="tick" x="${LEFT - 8}" y="${at}" dy="0.35em" text-anchor="end">${tick}</text>`
    );
  });
  return (
    `<text class="panel" x="${LEFT}" y="${top - 12}">${title}</text>` +
    lines.join("") +
    `<line class="axis" x1="${LEFT}" x2="${RIGHT}" y1="${bottom}" y2="${bottom}"/>`
  );
}

function timeAxis(x: Scale, bottom: number, timeScale: number): string {
  const ticks = x.ticks.map((tick) => {
    const at = x.position(tick).toFixed(1);
    return (
      `<line class="axis" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 5}"/>` +
      `<text class="tick" x="${at}" y="${bottom + 19}" text-anchor="middle">${tick}</text>`
    );
  });
  const middle = (LEFT + RIGHT) / 2;
  return (
    ticks.join("") +
    `<text class="label" x="${middle}" y="${bottom + 42}" text-anchor="middle">seconds since the start; GKE's timers run at ${timeScale}×</text>`
  );
}

/** A phase as far as the picture shows it. */
interface PhaseBar {
  readonly number: number;
  readonly name: string;
  readonly seconds: number;
  readonly from: number;
  readonly to: number;
}

/** Phases in rows: those that went on at the same time lie one above the other. Phases outside the picture are left out. */
function phaseLanes(run: RunReport, at: (epochMs: number) => number): PhaseBar[][] {
  const bars = run.phases
    .map(({ name, startedAt, seconds }, index) => ({
      ...{ number: index + 1, name, seconds },
      from: at(startedAt),
      to: at(startedAt + seconds * 1000),
    }))
    .filter(({ from, to }) => to - from >= 1)
    .sort((a, b) => a.from - b.from);
  const lanes: PhaseBar[][] = [];
  for (const bar of bars) {
    const free = lanes.find((lane) => (lane.at(-1)?.to ?? 0) <= bar.from + 1);
    if (free === undefined) {
      lanes.push([bar]);
    } else {
      free.push(bar);
    }
  }
  return lanes;
}

function phaseBars(lanes: readonly (readonly PhaseBar[])[], layout: Layout): string {
  const bars = lanes.flatMap((lane, row) =>
    lane.map((bar, place) => {
      const x = bar.from.toFixed(1);
      const width = (bar.to - bar.from).toFixed(1);
      // Only the first row shades the panels: bands on bands would say nothing.
      const band =
        row > 0
          ? ""
          : `<rect class="band band-${place % 2}" x="${x}" y="${layout.nodes.top}" width="${width}" height="${layout.builds.bottom - layout.nodes.top}"/>`;
      return (
        `<g><title>${bar.number}. ${escapeText(bar.name)}: ${bar.seconds.toFixed(1)} s</title>${band}` +
        `<rect class="band-head band-head-${(place + row) % 2}" x="${x}" y="${row * LANE}" width="${width}" height="${LANE - 2}"/>` +
        `${barText(bar, row)}</g>`
      );
    }),
  );
  return bars.join("");
}

/** The phase's name where there is room for it, else its number, else nothing. */
function barText({ number, name, from, to }: PhaseBar, row: number): string {
  const full = `${number}. ${name}`;
  // Letters of this size are about 6.5 wide.
  const text = full.length * 6.5 + 8 <= to - from ? full : to - from >= 16 ? String(number) : "";
  const middle = ((from + to) / 2).toFixed(1);
  return text === ""
    ? ""
    : `<text class="band-number" x="${middle}" y="${row * LANE + LANE / 2 - 1}" dy="0.35em" text-anchor="middle">${escapeText(text)}</text>`;
}

/** A band between two values over time, in steps: counts do not glide. */
function area(
  samples: readonly Sample[],
  at: (epochMs: number) => number,
  edges: (sample: Sample) => readonly [low: number, high: number],
  y: Scale,
  name: string,
  title: string,
  outlined = false,
): string {
  const upper: string[] = [];
  const lower: string[] = [];
  samples.forEach((sample, index) => {
    const [low, high] = edges(sample);
    const from = at(sample.at).toFixed(1);
    const to = at(samples[index + 1]?.at ?? sample.at).toFixed(1);
    upper.push(`${from},${y.position(high).toFixed(1)}`, `${to},${y.position(high).toFixed(1)}`);
    lower.unshift(`${to},${y.position(low).toFixed(1)}`, `${from},${y.position(low).toFixed(1)}`);
  });
  const points = [...upper, ...lower].join(" ");
  const outline = outlined ? `<polyline class="line ${name}-line" points="${upper.join(" ")}"/>` : "";
  return `<polygon class="area ${name}" points="${points}"><title>${title}</title></polygon>${outline}`;
}

function maximumLine(run: RunReport, at: (epochMs: number) => number, y: Scale): string {
  const points: string[] = [];
  const labels: string[] = [];
  run.maxima.forEach(({ at: moment, maxNodes }, index) => {
    const until = run.maxima[index + 1]?.at ?? run.endedAt;
    const height = y.position(maxNodes).toFixed(1);
    points.push(`${at(moment).toFixed(1)},${height}`, `${at(until).toFixed(1)},${height}`);
    labels.push(
      `<text class="maximum-label" x="${(at(moment) + 4).toFixed(1)}" y="${(y.position(maxNodes) - 5).toFixed(1)}">max ${maxNodes}</text>`,
    );
  });
  return points.length === 0 ? "" : `<polyline class="maximum" points="${points.join(" ")}"/>${labels.join("")}`;
}

function markLines(run: RunReport, at: (epochMs: number) => number, { marks, builds }: Layout): string {
  let left = 0;
  return run.marks
    .map(({ at: moment, label }, index) => {
      const x = at(moment);
      // Letters of moments close to each other stand side by side.
      const letter = Math.min(RIGHT, Math.max(x, left + 18));
      left = letter;
      return (
        `<g><title>${escapeText(label)}</title>` +
        `<line class="mark" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${marks + 8}" y2="${builds.bottom}"/>` +
        `<circle class="mark-head" cx="${letter.toFixed(1)}" cy="${marks}" r="8.5"/>` +
        `<text class="mark-letter" x="${letter.toFixed(1)}" y="${marks}" dy="0.35em" text-anchor="middle">${markLetter(index)}</text></g>`
      );
    })
    .join("");
}

/** A, B, C ... by which the picture and the list below it name a mark. */
export function markLetter(index: number): string {
  return String.fromCharCode(65 + (index % 26));
}
