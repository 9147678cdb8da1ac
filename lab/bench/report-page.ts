import { scaleTo } from "../report/axis";
import { escapeText } from "../report/escape";
import { logScale } from "../report/log-axis";
import { STYLE } from "../report/style";
import type { BenchResults } from "./bench-results";
import { lineChartSvg, type Series } from "./growth-chart";
import type { ScaleRow } from "./scale-row";
import { tablesOf, type Table } from "./summary-table";

const MORE_STYLE = `
svg.growth { min-width: 420px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 24px; margin-top: 28px; }
.raw { --line: var(--axis); } .ours { --line: var(--nodes); } .raised { --line: var(--queued); } .slow { --line: var(--maximum); }
svg.growth .line { stroke: var(--line); } .dot { fill: var(--line); } .name { fill: var(--line); font-weight: 600; }
.reckoned { stroke-dasharray: 5 5; } svg.growth .raw.line { stroke-width: 4; stroke-opacity: 0.55; }
td { font-variant-numeric: tabular-nums; overflow-wrap: normal; white-space: nowrap; }
th { white-space: normal; overflow-wrap: normal; vertical-align: bottom; }
`;

/** What the figures do not prove. */
const UNPROVEN = [
  "Anything about GKE's control plane: here API server, etcd, dispatcher and the bench itself share the cores of one machine.",
  "Anything about the vendor's controller: the polling model does less for each job than it does.",
  "Networks: all is on loopback. A webhook's way over the internet comes on top.",
  "Buildkite's own delays: the stand-in has none.",
];

/** `out/bench.html`: one file that needs nothing else. */
export function benchHtml(results: BenchResults): string {
  const { machine, parts, aims } = results;
  const known = aims.filter(({ met }) => met !== null);
  const missed = known.filter(({ met }) => met === false).length;
  const verdict =
    missed === 0 ? "Every aim that was measured is met." : `${missed} of ${known.length} aims are missed.`;
  const when = results.measuredAt.replace("T", " ").slice(0, 19);
  const versions = parts.map(
    ({ name, version, kind }) => `<li>${escapeText(`${name} ${version}`.trim())} (${kind})</li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The dispatcher's bench</title>
<style>${STYLE}${MORE_STYLE}</style>
</head>
<body>
<main>
<h1>The dispatcher's bench</h1>
<p class="quiet">${when} UTC, ${results.seconds} s, ${escapeText(results.size)} sizes. <span class="verdict ${missed === 0 ? "good" : "bad"}">${verdict}</span></p>
${charts(results)}
${tablesOf(results).map(tableHtml).join("\n")}
<h2>Measured on</h2>
<p>${Object.entries(machine)
    .map(([name, value]) => `${escapeText(name)} ${escapeText(String(value))}`)
    .join(", ")}</p>
<ul class="plain">${versions.join("")}</ul>
<h2>What this does not prove</h2>
<ul class="plain">
${UNPROVEN.map((text) => `<li>${escapeText(text)}</li>`).join("\n")}
</ul>
</main>
</body>
</html>
`;
}

function charts({ scale = [], rawScale = [], pollingScale }: BenchResults): string {
  if (scale.length < 2) {
    return "";
  }
  const ways = [
    { name: "raw POST", style: "raw", rows: rawScale },
    { name: "dispatcher", style: "ours", rows: scale },
    { name: "polling, raised", style: "raised", rows: pollingScale?.limitsRaised ?? [] },
    { name: "polling, defaults", style: "slow", rows: pollingScale?.byDefault ?? [] },
  ];
  const series = (value: (row: ScaleRow) => number): Series[] =>
    ways.map(({ name, style, rows }) => ({ name, style, points: rows.map((row) => ({ x: row.jobs, y: value(row) })) }));
  const reckoned = (pollingScale?.byDefaultReckoned ?? []).map(({ jobs, seconds }) => ({ x: jobs, y: seconds }));
  const times = series(({ seconds }) => seconds).map((one) =>
    one.style === "slow" ? { ...one, beyond: reckoned } : one,
  );
  const rates = series(({ perSecond }) => perSecond);
  const memory = scale.map(({ jobs, peakMiB }) => ({ x: jobs, y: peakMiB ?? 0 }));
  const sizes = scale.map(({ jobs }) => jobs);
  const x = (from: number, to: number) => logScale(Math.min(...sizes), Math.max(...sizes), from, to);
  const all = valuesOf(times);
  return `<h2>How it grows</h2>
<figure><div class="picture">${lineChartSvg({
    ...{ title: "Seconds until all have their Jobs", unit: "s", width: 1120, height: 400, x, series: times },
    y: (from, to) => logScale(Math.min(...all), Math.max(...all), from, to),
  })}</div>
<figcaption>Both axes are logarithmic. In dashes: not run, reckoned from the largest size that was.</figcaption></figure>
<div class="pair">
<figure><div class="picture">${lineChartSvg({
    ...{ title: "Jobs made per second", unit: "per second", width: 560, height: 300, x, series: rates },
    y: (from, to) => scaleTo(Math.max(...valuesOf(rates)), from, to, 5, true),
  })}</div></figure>
<figure><div class="picture">${lineChartSvg({
    ...{ title: "The dispatcher's memory at its peak, MiB", unit: "MiB", width: 560, height: 300, x },
    y: (from, to) => scaleTo(Math.max(128, ...memory.map((point) => point.y)), from, to, 5, true),
    series: [{ name: "dispatcher", style: "ours", points: memory }],
  })}</div></figure>
</div>`;
}

function valuesOf(series: readonly Series[]): number[] {
  return series.flatMap(({ points, beyond = [] }) => [...points, ...beyond].map(({ y }) => y));
}

function tableHtml({ title, head, rows }: Table): string {
  const cells = (tag: "td" | "th", texts: readonly string[]): string =>
    `<tr>${texts.map((text) => `<${tag}${mark(text)}>${escapeText(text)}</${tag}>`).join("")}</tr>`;
  return `<h2>${escapeText(title)}</h2>
<div class="wide"><table>${cells("th", head)}${rows.map((row) => cells("td", row)).join("")}</table></div>`;
}

function mark(text: string): string {
  return text === "met" ? ' class="good"' : text === "missed" ? ' class="bad"' : "";
}
