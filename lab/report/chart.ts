import { scaleTo, scaleWithin, type Scale } from "./axis";
import { escapeText } from "./escape";
import type { RunReport, Sample } from "./run-record";

const WIDTH = 1120;
const LEFT = 56;
const RIGHT = WIDTH - 20;
const BANDS_TOP = 8;
const BANDS_HEIGHT = 22;
const NODES = { top: 64, bottom: 234 };
const BUILDS = { top: 292, bottom: 522 };
const HEIGHT = 578;

/** The timeline as one inline SVG: nodes above, builds below, one time axis, phases as numbered bands, marks as letters. */
export function timelineSvg(run: RunReport): string {
  const seconds = Math.max(1, (run.endedAt - run.startedAt) / 1000);
  const x = scaleWithin(seconds, LEFT, RIGHT, 14);
  const at = (epochMs: number): number => Math.min(RIGHT, Math.max(LEFT, x.position((epochMs - run.startedAt) / 1000)));
  const samples: readonly Sample[] =
    run.samples.length > 0 ? run.samples : [{ at: run.startedAt, queued: 0, running: 0, finished: 0, nodes: 0 }];
  const highestMax = Math.max(0, ...run.maxima.map(({ maxNodes }) => maxNodes));
  const nodes = scaleTo(
    Math.max(1, highestMax, ...samples.map((sample) => sample.nodes)) * 1.08,
    NODES.bottom,
    NODES.top,
    5,
    true,
  );
  const builds = scaleTo(Math.max(1, ...samples.map(total)), BUILDS.bottom, BUILDS.top, 5, true);
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(describe(run))}">`,
    phaseBands(run, at),
    panel("Nodes in the pool", NODES, nodes),
    panel("Builds", BUILDS, builds),
    timeAxis(x, run.timeScale),
    area(samples, at, (sample) => [0, sample.nodes], nodes, "nodes", "nodes", true),
    area(samples, at, (s) => [0, s.finished], builds, "finished", "finished builds"),
    area(samples, at, (s) => [s.finished, s.finished + s.running], builds, "running", "running builds"),
    area(samples, at, (s) => [s.finished + s.running, total(s)], builds, "queued", "waiting builds"),
    markLines(run, at),
    maximumLine(run, at, nodes),
    "</svg>",
  ].join("\n");
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

function timeAxis(x: Scale, timeScale: number): string {
  const ticks = x.ticks.map((tick) => {
    const at = x.position(tick).toFixed(1);
    return (
      `<line class="axis" x1="${at}" x2="${at}" y1="${BUILDS.bottom}" y2="${BUILDS.bottom + 5}"/>` +
      `<text class="tick" x="${at}" y="${BUILDS.bottom + 19}" text-anchor="middle">${tick}</text>`
    );
  });
  const middle = (LEFT + RIGHT) / 2;
  return (
    ticks.join("") +
    `<text class="label" x="${middle}" y="${BUILDS.bottom + 42}" text-anchor="middle">seconds since the start; GKE's timers run at ${timeScale}×</text>`
  );
}

function phaseBands(run: RunReport, at: (epochMs: number) => number): string {
  const bottom = BUILDS.bottom;
  const bands = run.phases.map((phase, index) => {
    const from = at(phase.startedAt);
    const to = at(phase.startedAt + phase.seconds * 1000);
    const width = Math.max(1, to - from);
    const number =
      width >= 14
        ? `<text class="band-number" x="${(from + width / 2).toFixed(1)}" y="${BANDS_TOP + BANDS_HEIGHT / 2}" dy="0.35em" text-anchor="middle">${index + 1}</text>`
        : "";
    return (
      `<g><title>${index + 1}. ${escapeText(phase.name)}: ${phase.seconds.toFixed(1)} s</title>` +
      `<rect class="band band-${index % 2}" x="${from.toFixed(1)}" y="${NODES.top}" width="${width.toFixed(1)}" height="${bottom - NODES.top}"/>` +
      `<rect class="band-head band-head-${index % 2}" x="${from.toFixed(1)}" y="${BANDS_TOP}" width="${width.toFixed(1)}" height="${BANDS_HEIGHT}"/>` +
      `${number}</g>`
    );
  });
  return bands.join("");
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

function markLines(run: RunReport, at: (epochMs: number) => number): string {
  let right = 0;
  return run.marks
    .map(({ at: moment, label }, index) => {
      const x = at(moment);
      // Letters of moments close to each other stand side by side.
      const letter = Math.max(x, right + 18);
      right = letter;
      const middle = 44;
      return (
        `<g><title>${escapeText(label)}</title>` +
        `<line class="mark" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${middle + 8}" y2="${BUILDS.bottom}"/>` +
        `<circle class="mark-head" cx="${letter.toFixed(1)}" cy="${middle}" r="8.5"/>` +
        `<text class="mark-letter" x="${letter.toFixed(1)}" y="${middle}" dy="0.35em" text-anchor="middle">${markLetter(index)}</text></g>`
      );
    })
    .join("");
}

/** A, B, C ... by which the picture and the list below it name a mark. */
export function markLetter(index: number): string {
  return String.fromCharCode(65 + (index % 26));
}
