import type { Fields } from "../../policy/fields";
import type { PreviewStep } from "./preview";

/** What somebody may do or reach, or what is kept from them: what comes, what goes, and what is another now. */
export interface Difference {
  readonly removed: readonly string[];
  readonly added: readonly string[];
  readonly changed: readonly string[];
}

/** Puts what changes from one state of a resource to the other into words; undefined is a state in which it is not there. */
export type Comparison = (before: Fields | undefined, after: Fields | undefined, step: PreviewStep) => Difference;

/** The comparison of what a resource gives, text by text. */
export function byTexts(textsOf: (inputs: Fields, step: PreviewStep) => readonly string[]): Comparison {
  return (before, after, step) =>
    textDifference(before === undefined ? [] : textsOf(before, step), after === undefined ? [] : textsOf(after, step));
}

/** Texts that only one of the two has. */
export function textDifference(before: readonly string[], after: readonly string[]): Difference {
  return {
    removed: before.filter((text) => !after.includes(text)),
    added: after.filter((text) => !before.includes(text)),
    changed: [],
  };
}

/** All of them as one. */
export function together(differences: readonly Difference[]): Difference {
  return {
    removed: differences.flatMap(({ removed }) => removed),
    added: differences.flatMap(({ added }) => added),
    changed: differences.flatMap(({ changed }) => changed),
  };
}
