import type { CostFigures } from "../../lab/report";

/** Every number of the costs that the page must show, by the name the page has for it. */
export function figuresOf(cost: CostFigures): Map<string, number> {
  return new Map([
    ["paidNodeHours", cost.paidNodeHours],
    ["usedNodeHours", cost.usedNodeHours],
    ...cost.rows.flatMap((row, index) =>
      (["nodeHours", "dollars", "dayNodeHours", "dayDollars"] as const).flatMap((name): [string, number][] => {
        const value = row[name];
        return value === undefined ? [] : [[`rows.${index}.${name}`, value]];
      }),
    ),
  ]);
}

/** In which figures a page and the costs in lab.json differ: by the exact value beside each, and by what a reader reads. */
export function differences(html: string, cost: CostFigures | undefined): string[] {
  if (cost === undefined) {
    return ["there are no costs"];
  }
  const shown = new Map(
    [...html.matchAll(/data-figure="([^"]+)" data-value="([^"]+)"[^>]*>([^<]*)</g)].map(
      ([, name = "", value, text]) => [name, { value: Number(value), text: Number(text) }],
    ),
  );
  const wanted = figuresOf(cost);
  const missing = [...wanted].flatMap(([name, value]) => {
    const one = shown.get(name);
    const read = one !== undefined && Math.abs(one.text - value) <= 0.0051;
    return one?.value === value && read
      ? []
      : [`${name}: ${value}, shown ${one === undefined ? "nowhere" : JSON.stringify(one)}`];
  });
  return [...missing, ...[...shown.keys()].filter((name) => !wanted.has(name)).map((name) => `${name} is not in it`)];
}
