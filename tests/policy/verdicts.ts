import assert from "node:assert/strict";
import type { ReviewedResource, Rule } from "../../policy/rule";

/** The rule refuses the resource once, in such words. */
export function refuses(rule: Rule, one: ReviewedResource, expected: RegExp): void {
  const faults = rule.faultsOf(one);
  assert.equal(faults.length, 1, faults.join("\n"));
  assert.match(faults[0] ?? "", expected);
  assert.match(faults[0] ?? "", /Fix: /, "the fix is named");
}

/** The rule has nothing to say about it. */
export function allows(rule: Rule, one: ReviewedResource): void {
  assert.deepEqual(rule.faultsOf(one), []);
}
