import { type Fields, fieldsAt, fieldsOf } from "../../policy/fields";
import { byTexts, type Comparison, type Difference, textDifference, together } from "./difference";
import { choiceOf, conditionsOf } from "./selector";
import { hidden, itemsOf, listShown, shown } from "./shown";

/**
 * Compares two states of a ValidatingAdmissionPolicy: its rules by their messages, since their expressions are nothing to
 * read; a rule that has the same message and another expression is told as changed. A whole one is told by its size.
 */
export const compareAdmissionPolicies: Comparison = (before, after) => {
  if (before === undefined || after === undefined) {
    return textDifference(sizeOf(before), sizeOf(after));
  }
  const [was, is] = [fieldsAt(before, "spec"), fieldsAt(after, "spec")];
  const named = (list: string, name: (fields: Fields) => unknown, words: NamedWords): Difference =>
    namedDifference(byName(was[list], name), byName(is[list], name), words);
  return together([
    named("validations", ({ message, expression }) => message ?? expression, { one: "refuses:", changed: "rule" }),
    named("matchConditions", ({ name }) => name, { one: "judges only on condition", changed: "condition" }),
    named("variables", ({ name }) => name, { one: "variable", changed: "variable" }),
    textDifference(
      [failureText(was), ...parameterTexts(was), ...matchTexts(was["matchConstraints"])],
      [failureText(is), ...parameterTexts(is), ...matchTexts(is["matchConstraints"])],
    ),
  ]);
};

/** Compares two states of a ValidatingAdmissionPolicyBinding. */
export const compareAdmissionBindings: Comparison = byTexts((inputs) => {
  const { policyName, validationActions, paramRef, matchResources } = fieldsAt(inputs, "spec");
  return [
    `policy ${shown(policyName)} in force: ${listShown(validationActions)}`,
    ...(paramRef === undefined ? [] : [parameterText(paramRef)]),
    ...matchTexts(matchResources),
  ];
});

function sizeOf(inputs: Fields | undefined): string[] {
  if (inputs === undefined) {
    return [];
  }
  const { validations, failurePolicy } = fieldsAt(inputs, "spec");
  const size = Array.isArray(validations) ? String(validations.length) : shown(validations ?? 0);
  return [
    `${size} rules of what is refused`,
    // The exception alone: each of ours refuses.
    ...(failurePolicy === undefined || failurePolicy === "Fail" ? [] : [failureText({ failurePolicy })]),
  ];
}

interface NamedWords {
  /** Before the name of one that comes or goes. */
  readonly one: string;
  /** What is said to have changed. */
  readonly changed: string;
}

/** By name what stands under it; of several under one name all of them. */
function byName(list: unknown, nameOf: (fields: Fields) => unknown): Map<string, string> {
  const found = new Map<string, string>();
  for (const item of itemsOf(list)) {
    const fields = fieldsOf(item);
    const name = shown(nameOf(fields) ?? item);
    found.set(name, `${found.get(name) ?? ""}${JSON.stringify(Object.entries(fields).sort())}`);
  }
  return found;
}

function namedDifference(was: Map<string, string>, is: Map<string, string>, words: NamedWords): Difference {
  const { removed, added } = textDifference([...was.keys()], [...is.keys()]);
  return {
    removed: removed.map((name) => `${words.one} ${name}`),
    added: added.map((name) => `${words.one} ${name}`),
    changed: [...is]
      .filter(([name, content]) => was.has(name) && was.get(name) !== content)
      .map(([name]) => `${words.changed} changed: ${name}`),
  };
}

function failureText({ failurePolicy }: Fields): string {
  const policy = shown(failurePolicy ?? "Fail");
  const meaning = { Fail: ": what it cannot judge is refused", Ignore: ": what it cannot judge passes" }[policy];
  return `failurePolicy ${policy}${meaning ?? ""}`;
}

function parameterTexts({ paramKind }: Fields): string[] {
  const { apiVersion, kind } = fieldsOf(paramKind);
  const text = hidden(paramKind) ?? `${shown(apiVersion)} ${shown(kind)}`;
  return paramKind === undefined ? [] : [`judges by parameters of kind ${text}`];
}

function parameterText(paramRef: unknown): string {
  const { name, namespace, selector, parameterNotFoundAction } = fieldsOf(paramRef);
  const which = name === undefined ? choiceOf(selector, "parameter") : `parameter ${shown(name)}`;
  const where = namespace === undefined ? "" : ` of namespace ${shown(namespace)}`;
  return `by ${hidden(paramRef) ?? `${which}${where}, where there is none: ${shown(parameterNotFoundAction)}`}`;
}

/** What is judged, of a policy's constraints or a binding's. */
function matchTexts(match: unknown): string[] {
  const { resourceRules, excludeResourceRules, namespaceSelector, objectSelector, matchPolicy } = fieldsOf(match);
  const [namespaces, objects] = [conditionsOf(namespaceSelector), conditionsOf(objectSelector)];
  return [
    ...(hidden(match) === undefined ? [] : [`judges ${shown(match)}`]),
    ...itemsOf(resourceRules).map((rule) => `judges ${operationsText(rule)}`),
    ...itemsOf(excludeResourceRules).map((rule) => `does not judge ${operationsText(rule)}`),
    ...(namespaces === "" ? [] : [`only in namespaces with ${namespaces}`]),
    ...(objects === "" ? [] : [`only objects with ${objects}`]),
    ...(matchPolicy === undefined || matchPolicy === "Equivalent" ? [] : [`matchPolicy ${shown(matchPolicy)}`]),
  ];
}

function operationsText(rule: unknown): string {
  const { operations, resources, apiGroups, apiVersions, resourceNames, scope } = fieldsOf(rule);
  const groups = itemsOf(apiGroups).map((group) => (group === "" ? "core" : shown(group)));
  const names = itemsOf(resourceNames).length === 0 ? "" : ` named ${listShown(resourceNames)}`;
  const only = scope === undefined || scope === "*" ? "" : `, ${shown(scope)} only`;
  const what = `${listShown(resources)} (${groups.join(", ")}/${listShown(apiVersions)})`;
  return hidden(rule) ?? `${listShown(operations)} of ${what}${names}${only}`;
}
