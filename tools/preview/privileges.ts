import { type ChangedPath, changedPaths } from "./changed-paths";
import { type JudgedKind, judgedKind } from "./judged-kind";
import type { Preview, PreviewStep } from "./preview";
import { LATER } from "./shown";

/**
 * What somebody may do or reach, what is kept from them, or what is reached: as far as a change adds or removes it, or makes
 * something else of it.
 */
export interface PrivilegeRow {
  readonly change: "added" | "removed" | "changed";
  readonly resource: string;
  readonly what: string;
}

/** How many paths of a resource are named. */
const MOST_PATHS = 4;

/** One row for each resource and direction, and one for what there are no words for: nothing that decides changes in silence. */
export function privilegesOf({ steps }: Preview): PrivilegeRow[] {
  return steps
    .filter(({ op }) => op !== "same")
    .flatMap((step) => {
      const kind = judgedKind(step);
      return kind === undefined ? [] : rowsOf(step, kind);
    });
}

function rowsOf(step: PreviewStep, kind: JudgedKind): PrivilegeRow[] {
  const resource = `${step.type.split(":").pop() ?? ""} ${step.name}`;
  const difference = kind.compare(step.before, step.after, step);
  const told = (["removed", "added", "changed"] as const)
    .filter((change) => difference[change].length > 0)
    .map((change) => ({ change, resource, what: difference[change].join("; ") }));
  return [...told, ...untold(step, kind, told).map((what) => ({ change: changeOf(step), resource, what }))];
}

function changeOf({ op }: PreviewStep): PrivilegeRow["change"] {
  return op === "create" ? "added" : op === "delete" ? "removed" : "changed";
}

/** What changes and is in no row: where there is none, everything that decides; else what rows of this kind never tell. */
function untold(step: PreviewStep, { decisive, told }: JudgedKind, rows: readonly PrivilegeRow[]): string[] {
  if (step.before === undefined && step.after === undefined) {
    return ["its inputs are not in the preview: see below"];
  }
  const stays = step.before !== undefined && step.after !== undefined;
  const laterIsTold = rows.some(({ what }) => what.includes(LATER));
  const left = changedPaths(step).filter(
    ({ path, unknown }) =>
      decisive.test(path) && (rows.length === 0 || (unknown && !laterIsTold) || (stays && !told.test(path))),
  );
  return left.length === 0 ? [] : [pathsText(left, stays)];
}

function pathsText(paths: readonly ChangedPath[], stays: boolean): string {
  const more = paths.length - MOST_PATHS;
  const named = paths.slice(0, MOST_PATHS).map(({ path }) => path);
  const where = stays || !paths.every(({ unknown }) => unknown) ? "see below" : LATER;
  return `in ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}: ${where}`;
}
