import type { Sample } from "../report";
import type { LiveSystem } from "./state";
import type { Canvas, Role } from "./view";

const LABEL = 9;
const HEIGHTS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

const LINES: readonly { readonly name: string; readonly role: Role; readonly of: (sample: Sample) => number }[] = [
  { name: "nodes", role: "nodes", of: ({ nodes }) => nodes },
  { name: "waiting", role: "waiting", of: ({ queued }) => queued },
  { name: "running", role: "running", of: ({ running }) => running },
];

/** Nodes and builds from the first sample to now, one column for a stretch of equal length, each line up to its own most. */
export function timeLine({ samples, now }: LiveSystem, width: number, paint: Canvas["paint"]): string[] {
  const from = samples[0]?.at ?? now;
  const columns = Math.max(1, width - LABEL - 6);
  const step = Math.max(1, now - from) / columns;
  const picked = pick(samples, from, step, columns);
  const title = `Time line  ${((now - from) / 1000).toFixed(0)} s, a column is ${(step / 1000).toFixed(1)} s`;
  return [
    paint("title", title.slice(0, width)),
    ...LINES.map(({ name, role, of }) => {
      const most = samples.reduce((high, sample) => Math.max(high, of(sample)), 0);
      const bars = picked.map((sample) => (sample === undefined ? " " : bar(of(sample), most))).join("");
      return `${name.padEnd(LABEL)}${paint(role, bars)} ${String(most).padStart(4)}`;
    }),
  ];
}

/** For each column the last sample before its end: counts stay what they are until the next. */
function pick(samples: readonly Sample[], from: number, step: number, columns: number): (Sample | undefined)[] {
  let next = 0;
  let last: Sample | undefined;
  return Array.from({ length: columns }, (_, column) => {
    const end = from + (column + 1) * step;
    for (let sample = samples[next]; sample !== undefined && sample.at <= end; sample = samples[next]) {
      last = sample;
      next += 1;
    }
    return last;
  });
}

function bar(value: number, most: number): string {
  const height = value <= 0 ? 0 : Math.max(1, Math.round((value / Math.max(1, most)) * (HEIGHTS.length - 1)));
  return HEIGHTS[height] ?? " ";
}
