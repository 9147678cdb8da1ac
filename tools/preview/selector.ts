import { fieldsOf } from "../../policy/fields";
import { hidden, itemsOf, listShown, shown } from "./shown";

/** A label selector's conditions in words; empty for one that takes everything, or is not there. */
export function conditionsOf(selector: unknown): string {
  const { matchLabels, matchExpressions } = fieldsOf(selector);
  const labels = Object.entries(fieldsOf(matchLabels)).map(([key, value]) => `${key}=${shown(value)}`);
  const expressions = itemsOf(matchExpressions).map((item) => {
    const { key, operator, values } = fieldsOf(item);
    const list = itemsOf(values).length === 0 ? "" : ` (${listShown(values)})`;
    return hidden(item) ?? `${shown(key)} ${shown(operator)}${list}`;
  });
  return hidden(selector) ?? [hidden(matchLabels) ?? labels.sort(), ...expressions].flat().join(", ");
}

/** The selector's choice of a kind: `any pod`, `pods with app=web`. */
export function choiceOf(selector: unknown, kind: string): string {
  const conditions = conditionsOf(selector);
  return conditions === "" ? `any ${kind}` : `${kind}s with ${conditions}`;
}
