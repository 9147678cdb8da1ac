import { ASSUMPTION } from "../../tools/preview/prices";
import { PROFILES } from "../autoscaler/timers";
import type { CostFigures, CostRow } from "./cost";
import { escapeText } from "./escape";

const WORDS: Readonly<Record<CostRow["name"], string>> = {
  "this run": "this run, as its nodes came and went",
  OPTIMIZE_UTILIZATION: "profile OPTIMIZE_UTILIZATION, replayed",
  BALANCED: "profile BALANCED, replayed",
  "always on": "every allowed node always on",
};

/** Node-hours paid against used, and what the same day would have cost otherwise. */
export function costSection(cost: CostFigures): string {
  const most = Math.max(1e-9, ...cost.rows.map(({ dayNodeHours }) => dayNodeHours));
  const rows = cost.rows.map((row, index) => {
    const width = ((row.dayNodeHours / most) * 100).toFixed(2);
    const cells = (["nodeHours", "dollars", "dayNodeHours", "dayDollars"] as const).map((name) =>
      cell(`rows.${index}.${name}`, row[name], name.endsWith("ollars")),
    );
    return (
      `<tr><th scope="row">${WORDS[row.name]}<i class="bar" style="width:${width}%"></i></th>` +
      `${cells.join("")}</tr>`
    );
  });
  const used = cost.paidNodeHours > 0 ? (cost.usedNodeHours / cost.paidNodeHours) * 100 : 0;
  return `<div class="paid"><div class="meter" role="img" aria-label="${used.toFixed(0)} % of the paid node time was used"><i style="width:${Math.min(100, used).toFixed(1)}%"></i></div>
<p><strong data-figure="paidNodeHours" data-value="${cost.paidNodeHours}">${cost.paidNodeHours.toFixed(2)}</strong> node-hours paid,
<strong data-figure="usedNodeHours" data-value="${cost.usedNodeHours}">${cost.usedNodeHours.toFixed(2)}</strong> of them (${used.toFixed(0)} %) with a build on the node; the rest were boots and waits for the next build.</p></div>
<div class="wide"><table class="cost"><thead><tr><th></th><th colspan="2">these ${(cost.hours * 60).toFixed(0)} minutes</th><th colspan="2">a day with these builds only</th></tr>
<tr><th>the same builds with</th><th>node-hours</th><th>US$</th><th>node-hours</th><th>US$</th></tr></thead>
<tbody>${rows.join("")}</tbody></table></div>
<ul class="plain quiet assumed">${assumptions(cost)
    .map((text) => `<li>${escapeText(text)}</li>`)
    .join("")}</ul>`;
}

function cell(name: string, value: number | undefined, dollars: boolean): string {
  return value === undefined
    ? '<td class="value">no price</td>'
    : `<td class="value" data-figure="${name}" data-value="${value}">${dollars ? value.toFixed(3) : value.toFixed(2)}</td>`;
}

/** Everything the figures rest on, in words. */
function assumptions({ machineType, spot, nodeHourDollars, timeScale, maxNodes }: CostFigures): string[] {
  const what = `${spot ? "Spot " : ""}${machineType}`;
  const minutes = (profile: keyof typeof PROFILES) => PROFILES[profile].unneededTime / 60_000;
  return [
    nodeHourDollars === undefined
      ? `There is no price for ${what} in the table.`
      : `One ${what} costs $${nodeHourDollars} an hour. ${ASSUMPTION}`,
    timeScale === 1
      ? "Times are real ones."
      : `The lab's clock is divided by ${timeScale}: all hours here are its seconds times ${timeScale}. Boots and idle times ` +
        `come out as they are on GKE; builds, which ran in real time, count as ${timeScale} times as long as they were, and ` +
        "so do the control plane's and the dispatcher's own delays.",
    `A machine is paid for from its order (${PROFILES.BALANCED.bootTime / 1000} s before it is a node) to its end. An idle node ` +
      `goes after ${minutes("OPTIMIZE_UTILIZATION")} min with OPTIMIZE_UTILIZATION, ${minutes("BALANCED")} min with BALANCED: ` +
      "published values that Google may change. This run's autoscaler had OPTIMIZE_UTILIZATION.",
    "The replays need as many nodes at each moment as this run had with a build on them, and pay for the idle time after " +
      "the last build, too. Other packing, and other waits, are not replayed.",
    `Always on means ${maxNodes} nodes, the most that were allowed.`,
  ];
}
