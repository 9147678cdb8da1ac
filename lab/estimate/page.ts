import { escapeText } from "../report/escape";
import { STYLE } from "../report/style";
import type { Estimate, Series } from "./estimate";
import { kneeSvg, lineClass } from "./picture";
import type { Outcome } from "./scenario";
import { cells, COLUMNS, money, seriesName, waitText } from "./table";

/** Lines' colours, apart for people who see few colours and on both backgrounds. */
const ESTIMATE_STYLE = `
:root { --s0: #2468c9; --s1: #b34700; --s2: #1b7f79; --s3: #7a3fc0; --s4: #8a6d00; --s5: #c2307f; --s6: #4a5664; --s7: #3f7d20; }
@media (prefers-color-scheme: dark) {
  :root { --s0: #5b9bf0; --s1: #ff9a57; --s2: #3fb8af; --s3: #b58cf0; --s4: #e8b339; --s5: #f587bd; --s6: #9aa5b1; --s7: #8fce6b; }
}
${Array.from({ length: 8 }, (_, index) => `.series-${index} { stroke: var(--s${index}); fill: var(--s${index}); background: var(--s${index}); }`).join("\n")}
.dashed .line { stroke-dasharray: 6 4; }
.dot { stroke: var(--page); stroke-width: 1.5; }
.knee { fill: none; stroke-width: 2.5; }
.dot-label { fill: var(--quiet); font-size: 11.5px; stroke: var(--page); stroke-width: 3px; paint-order: stroke; }
.knee-label { fill: var(--ink); font-weight: 700; }
tr.at-knee td { font-weight: 650; } tr.at-knee td:first-child::before { content: "◎ "; }
tbody th { padding-top: 16px; color: var(--ink); } tbody th i { display: inline-block; width: 14px; height: 12px; border-radius: 2px; margin-right: 7px; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
.bar { display: block; height: 6px; margin-top: 4px; border-radius: 3px; background: var(--head-1); min-width: 90px; }
.bar b { display: block; height: 6px; border-radius: 3px; background: var(--nodes); }
`;

/** The estimate as one HTML file that needs nothing else. */
export function estimateHtml(estimate: Estimate): string {
  const { history, warnings } = estimate;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What if these builds had run on a pool that scales to zero?</title>
<style>${STYLE}${ESTIMATE_STYLE}</style>
</head>
<body>
<main>
<h1>What if these builds had run on a pool that scales to zero?</h1>
<p class="quiet">${escapeText(history.file)}: ${history.jobs} jobs in ${history.days.toFixed(1)} days from ${history.from.slice(0, 10)}.
In reality they waited ${waitText(history.waitP50Seconds)} (p50) and ${waitText(history.waitP95Seconds)} (p95).</p>
${warnings.map((text) => `<p class="bad">${escapeText(text)}</p>`).join("\n")}
${tiles(estimate)}
<h2>Waiting against cost</h2>
<figure>
${legend(estimate.series)}
<div class="picture">${kneeSvg(estimate)}</div>
<figcaption>A dot is a pool; its number is the most nodes it may have. The ring marks the knee of a line: of the pools that no
other beats in both, the one farthest below the straight line from the cheapest to the dearest. Up to it money buys much waiting
time, beyond it little. A line without a ring has no such point. Pools with too few nodes
for the builds are left out.</figcaption>
</figure>
<h2>All pools</h2>
${table(estimate)}
<h2>Assumptions</h2>
<ul class="plain">
${estimate.assumptions.map((text) => `<li>${escapeText(text)}</li>`).join("\n")}
</ul>
</main>
</body>
</html>
`;
}

/** The knees, in numbers; of many lines the cheapest four. */
function tiles({ series, clusterFee }: Estimate): string {
  const knees = series
    .flatMap((one) => one.outcomes.filter(({ maxNodes }) => maxNodes === one.knee).map((row) => ({ one, row })))
    .sort((a, b) => a.row.nodeCost - b.row.nodeCost)
    .slice(0, 4)
    .map(
      ({ one, row }) =>
        `<li><strong>${row.maxNodes} nodes: ${money(row.nodeCost)}</strong><span>a month, p95 ${waitText(row.waitP95Seconds)}; ${escapeText(seriesName(one))}</span></li>`,
    );
  return `<ul class="tiles">${knees.join("")}<li><strong>${money(clusterFee)}</strong><span>GKE's fee for the cluster a month, on top of each</span></li></ul>`;
}

function legend(series: readonly Series[]): string {
  const items = series.map(
    (one, index) => `<li><i class="${lineClass(index)}"></i>${escapeText(seriesName(one))}</li>`,
  );
  return `<ul class="legend">${items.join("")}</ul>`;
}

function table({ series }: Estimate): string {
  const heads = [...COLUMNS.map((head) => `<th class="number">${head}</th>`), "<th>used of paid</th>"];
  const bodies = series.map(
    (one, index) =>
      `<tbody><tr><th colspan="${heads.length}"><i class="${lineClass(index)}"></i>${escapeText(seriesName(one))}</th></tr>` +
      `${one.outcomes.map((row) => tableRow(row, row.maxNodes === one.knee)).join("")}</tbody>`,
  );
  return `<div class="wide"><table><thead><tr>${heads.join("")}</tr></thead>${bodies.join("\n")}</table></div>`;
}

function tableRow(row: Outcome, atKnee: boolean): string {
  const used = row.nodeHoursPaid > 0 ? (100 * row.nodeHoursUsed) / row.nodeHoursPaid : 0;
  return (
    `<tr${atKnee ? ' class="at-knee"' : ""}>${cells(row)
      .map((text) => `<td class="number">${text}</td>`)
      .join("")}` + `<td><span class="bar"><b style="width:${used.toFixed(1)}%"></b></span></td></tr>`
  );
}
