import { costSection } from "./cost-section";
import { markLetter, timelineSvg } from "./chart";
import { escapeText } from "./escape";
import { queueTimelines } from "./queue-timeline";
import type { RunReport } from "./run-record";
import { SECTION_STYLE } from "./section-style";
import { STYLE } from "./style";

/** The report as one HTML file that needs nothing else: no script, font or picture from anywhere. */
export function reportHtml(run: RunReport): string {
  const good = run.failures.length === 0;
  const when = new Date(run.startedAt).toISOString().replace("T", " ").slice(0, 19);
  const seconds = ((run.endedAt - run.startedAt) / 1000).toFixed(0);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(run.title)}</title>
<style>${STYLE}${SECTION_STYLE}</style>
</head>
<body>
<main>
<h1>${escapeText(run.title)}</h1>
<p class="quiet">${when} UTC, ${seconds} s. <span class="verdict ${good ? "good" : "bad"}">${
    good ? "Everything was as it must be." : `${run.failures.length} of its checks failed.`
  }</span></p>
${failures(run)}
${tiles(run)}
<h2>What happened when</h2>
<figure>
${legend()}
<div class="picture">${timelineSvg(run)}</div>
<figcaption>${timeScaleText(run.timeScale)}</figcaption>
</figure>
${key(run)}
<h2>What it cost</h2>
${run.cost === undefined ? '<p class="quiet">The pool was not recorded.</p>' : costSection(run.cost)}
<h2>Every build, by queue</h2>
${queueTimelines(run)}
<h2>Results</h2>
${results(run)}
<h2>Parts</h2>
${parts(run)}
<h2>What this run does not prove</h2>
<ul class="plain">
${run.unproven.map((text) => `<li>${escapeText(text)}</li>`).join("\n")}
</ul>
</main>
</body>
</html>
`;
}

/** How the axis is to be read. */
function timeScaleText(timeScale: number): string {
  const scale =
    timeScale === 1
      ? "GKE's own times (boot of a node, idle time, scans) run in real time."
      : `GKE's own times (boot of a node, idle time, scans) run ${timeScale} times as fast as there: one second of them ` +
        `here stands for ${minutes(timeScale)} there.`;
  return `Time scale: ${scale} Builds, the control plane and the dispatcher run in real time.`;
}

function minutes(seconds: number): string {
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

function failures(run: RunReport): string {
  return run.failures.length === 0
    ? ""
    : `<ul class="plain bad">${run.failures.map((text) => `<li>${escapeText(text)}</li>`).join("")}</ul>`;
}

function tiles(run: RunReport): string {
  const nodes = run.samples.map((sample) => sample.nodes);
  const last = run.samples.at(-1);
  const most = Math.max(0, ...run.samples.map(({ queued, running, finished }) => queued + running + finished));
  const items: [string, string][] = [
    [String(most), "builds scheduled"],
    [String(last?.finished ?? 0), "builds finished"],
    [`${nodes[0] ?? 0} → ${Math.max(0, ...nodes)} → ${nodes.at(-1) ?? 0}`, "nodes: start, peak, end"],
    [`${run.timeScale}×`, "time scale of GKE's timers"],
  ];
  const list = items.map(([value, text]) => `<li><strong>${escapeText(value)}</strong><span>${text}</span></li>`);
  return `<ul class="tiles">${list.join("")}</ul>`;
}

function legend(): string {
  return (
    '<ul class="legend"><li><i class="swatch-nodes"></i>nodes</li><li><i class="dash"></i>maximum of the pool</li>' +
    '<li><i class="swatch-queued"></i>builds waiting</li><li><i class="swatch-running"></i>running</li>' +
    '<li><i class="swatch-finished"></i>finished</li></ul>'
  );
}

function key(run: RunReport): string {
  const from = (at: number): string => `${((at - run.startedAt) / 1000).toFixed(1)} s`;
  const phases = run.phases.map(
    ({ name, seconds }, index) =>
      `<li><b>${index + 1}</b><span>${escapeText(name)}</span><em>${seconds.toFixed(1)} s</em></li>`,
  );
  const marks = run.marks.map(
    ({ at, label }, index) =>
      `<li><b class="letter">${markLetter(index)}</b><span>${escapeText(label)}</span><em>at ${from(at)}</em></li>`,
  );
  return `<ol class="key">${marks.join("")}</ol><ol class="key">${phases.join("")}</ol>`;
}

function results(run: RunReport): string {
  const rows = run.results.map(({ name, value, ok }) => {
    const state =
      ok === undefined ? "" : ok ? '<span class="good">as it must be</span>' : '<span class="bad">wrong</span>';
    return `<tr><td>${escapeText(name)}</td><td class="value">${escapeText(String(value))}</td><td class="state">${state}</td></tr>`;
  });
  return `<div class="wide"><table><tr><th>what</th><th>value</th><th></th></tr>${rows.join("")}</table></div>`;
}

function parts(run: RunReport): string {
  const rows = run.parts.map(
    ({ name, version, kind, note }) =>
      `<tr><td>${escapeText(name)}</td><td class="value">${escapeText(version)}</td><td class="kind">${kind}</td><td>${escapeText(note ?? "")}</td></tr>`,
  );
  return `<div class="wide"><table><tr><th>part</th><th>version</th><th>real?</th><th>about</th></tr>${rows.join("")}</table></div>`;
}
