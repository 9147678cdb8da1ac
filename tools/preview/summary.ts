import { capacityOf } from "./capacity";
import { cell, table } from "./cell";
import type { Preview, PreviewStep } from "./preview";
import { ASSUMPTION } from "./prices";
import { privilegesOf } from "./privileges";

/** How many rows of a list are shown: a reviewer reads no more, and annotations have a size limit. */
const MOST_ROWS = 60;

const VERBS: Readonly<Record<PreviewStep["op"], string>> = {
  create: "create",
  update: "update",
  replace: "**replace**",
  delete: "**delete**",
  same: "same",
  other: "other",
};

/** What a reviewer wants to know of a preview, as markdown: capacity and cost, privileges, changes. Never a secret's value. */
export function summaryOf(preview: Preview): string {
  const changed = preview.steps.filter(({ op }) => op !== "same");
  return [
    `## Preview of stack ${cell(preview.stack)}`,
    changed.length === 0 ? "Nothing changes." : `${counts(changed)}.`,
    "### Capacity",
    capacity(preview),
    "### Privileges",
    privileges(preview),
    ...(changed.length === 0 ? [] : ["### Changes", changes(changed)]),
    "",
  ].join("\n\n");
}

function counts(changed: readonly PreviewStep[]): string {
  return (["replace", "delete", "update", "create", "other"] as const)
    .map((op) => ({ op, count: changed.filter((step) => step.op === op).length }))
    .filter(({ count }) => count > 0)
    .map(({ op, count }) => `${VERBS[op]} ${count}`)
    .join(", ");
}

function capacity(preview: Preview): string {
  const rows = capacityOf(preview);
  return rows.length === 0
    ? "No pool, quota, replica count or pod size in this preview changes."
    : `${limited(
        rows,
        ["What", "Before", "After"],
        rows.map(({ what, before, after }) => [what, before, after]),
      )}\n\n${ASSUMPTION}`;
}

function privileges(preview: Preview): string {
  const rows = privilegesOf(preview);
  return rows.length === 0
    ? "No right, privileged container, service account, network rule or exposure changes."
    : limited(
        rows,
        ["", "Resource", "What"],
        rows.map(({ change, resource, what }) => [change, resource, what]),
      );
}

/** What is replaced or deleted comes first: it is what hurts. What is created is told by its names. */
function changes(changed: readonly PreviewStep[]): string {
  const order = ["replace", "delete", "update", "other"];
  const rows = changed
    .filter(({ op }) => op !== "create")
    .toSorted((a, b) => order.indexOf(a.op) - order.indexOf(b.op));
  const created = changed.filter(({ op }) => op === "create").map(titleOf);
  return [
    ...(rows.length === 0
      ? []
      : [
          limited(
            rows,
            ["Op", "Resource", "Because of"],
            rows.map((step) => [{ markdown: VERBS[step.op] }, titleOf(step), reasonOf(step)]),
          ),
        ]),
    ...(created.length === 0 ? [] : [`Created: ${created.map(cell).join(", ")}.`]),
  ].join("\n\n");
}

function titleOf({ type, name }: PreviewStep): string {
  return `${type.split(":").pop() ?? type} ${name}`;
}

function reasonOf({ op, paths }: PreviewStep): string {
  return op === "replace" && paths.length === 0 ? "(the provider does not say)" : paths.join(", ");
}

function limited(
  rows: readonly unknown[],
  head: readonly string[],
  cells: readonly (readonly (string | { markdown: string })[])[],
): string {
  const more = rows.length - MOST_ROWS;
  return `${table(head, cells.slice(0, MOST_ROWS))}${more > 0 ? `\n\n… and ${more} more.` : ""}`;
}
