import { percentile } from "../percentile";
import { type BuildRecord, STEPS, type Stretch, stepsOf } from "./build-record";
import { escapeText } from "./escape";
import type { RunReport } from "./run-record";

/** More rows than this make a page that nobody reads. */
const MOST_ROWS = 120;

/**
 * For each queue, its builds one under the other, in steps. A build's own times show while the pointer is on it or the
 * keyboard on its row: the rows are radio buttons, so that the arrow keys go through them without any script.
 */
export function queueTimelines(run: RunReport): string {
  const times = run.buildRecords.flatMap((build) => [build.scheduledAt, build.scheduledAt + lengthOf(build)]);
  if (times.length === 0) {
    return '<p class="quiet">No build was recorded.</p>';
  }
  const from = times.reduce((a, b) => Math.min(a, b));
  const window = {
    from,
    to: Math.max(
      from + 1,
      times.reduce((a, b) => Math.max(a, b)),
    ),
  };
  const queues = [...new Set(run.buildRecords.map(({ queue }) => queue))].sort();
  return legend() + queues.map((queue, index) => queueFigure(run, queue, index, window)).join("\n");
}

function legend(): string {
  const items = STEPS.map(
    ({ name, about }) => `<li title="${about}"><i class="step-${name}"></i>${name}: ${about}</li>`,
  );
  return `<ul class="legend">${items.join("")}</ul>`;
}

function queueFigure(run: RunReport, queue: string, index: number, window: Stretch): string {
  const all = run.buildRecords.filter((build) => build.queue === queue);
  const builds = spread(all, MOST_ROWS);
  const waits = all
    .flatMap(({ startedAt, scheduledAt }) => (startedAt === undefined ? [] : [startedAt - scheduledAt]))
    .sort((a, b) => a - b);
  // Something is to be seen before anybody points at anything.
  const slowest = builds.reduce<BuildRecord | undefined>(
    (most, build) => (most === undefined || lengthOf(build) > lengthOf(most) ? build : most),
    undefined,
  );
  const shown = builds.length < all.length ? `, ${builds.length} of them shown` : "";
  return `<fieldset class="queue"><legend>${escapeText(queue)} <span>${all.length} builds${shown}; from push to start: ${seconds(percentile(waits, 0.5))} median, ${seconds(percentile(waits, 0.95))} p95</span></legend>
<div class="rows">${builds.map((build) => row(build, { group: `queue-${index}`, chosen: build === slowest, window, run })).join("\n")}</div>
<div class="scale"><span>${seconds(window.from - run.startedAt)}</span><span>${seconds(window.to - run.startedAt)} since the start</span></div>
<p class="hint">The slowest build, or the one that you point at, or choose: Tab goes into the list, the arrow keys go through it.</p>
</fieldset>`;
}

interface RowPlace {
  readonly group: string;
  /** Its card is shown from the start. */
  readonly chosen: boolean;
  readonly window: Stretch;
  readonly run: RunReport;
}

function row(build: BuildRecord, { group, chosen, window, run }: RowPlace): string {
  const percent = (at: number) => ((at - window.from) / (window.to - window.from)) * 100;
  const steps = stepsOf(build);
  const bars = steps
    .filter(({ from, to }) => to > from)
    .map(
      ({ name, from, to }) =>
        `<i class="step-${name}" style="left:${percent(from).toFixed(2)}%;width:${(percent(to) - percent(from)).toFixed(2)}%"></i>`,
    );
  const summary = `build ${build.number}: ${steps.map(({ name, from, to }) => `${name} ${seconds(to - from)}`).join(", ")}`;
  return `<label class="build"><input type="radio" name="${group}"${chosen ? " checked" : ""} aria-label="${escapeText(summary)}"><span class="steps">${bars.join("")}</span>${card(build, run)}</label>`;
}

/** A build's own waterfall, each step on a line of its own. */
function card(build: BuildRecord, run: RunReport): string {
  const steps = stepsOf(build);
  const length = Math.max(1, lengthOf(build));
  const lines = steps.map(({ name, from, to }) => {
    const left = (((from - build.scheduledAt) / length) * 100).toFixed(1);
    const width = (((to - from) / length) * 100).toFixed(1);
    return `<span class="line"><b>${name}</b><u><i class="step-${name}" style="left:${left}%;width:${width}%"></i></u><em>${seconds(to - from)}</em></span>`;
  });
  const where = build.node === undefined ? "no node" : `${build.node}${nodeStory(build, run)}`;
  const exit = build.exitStatus === undefined ? "" : `, exit ${build.exitStatus}`;
  return `<span class="card" aria-hidden="true"><span class="title">build ${build.number}${escapeText(exit)}, ${seconds(length)} in all, pushed at ${seconds(build.scheduledAt - run.startedAt)}, on ${escapeText(where)}</span>${lines.join("")}</span>`;
}

/** Whether the build waited for a machine to come, or found one. */
function nodeStory(build: BuildRecord, run: RunReport): string {
  const node = run.nodes.find(({ name }) => name === build.node);
  if (node === undefined) {
    return "";
  }
  const after = node.registeredAt - build.scheduledAt;
  return after > 0 ? ` (new: a node ${seconds(after)} after the push)` : " (was there already)";
}

/** At most so many, evenly out of all. */
function spread<T>(all: readonly T[], most: number): T[] {
  return all.length <= most
    ? [...all]
    : Array.from({ length: most }, (_, index) => all[Math.floor((index * all.length) / most)]).filter(
        (one) => one !== undefined,
      );
}

/** From the push to the last that was seen of it; milliseconds. */
function lengthOf(build: BuildRecord): number {
  return (stepsOf(build).at(-1)?.to ?? build.scheduledAt) - build.scheduledAt;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
