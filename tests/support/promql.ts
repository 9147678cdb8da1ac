import { parser } from "@prometheus-io/lezer-promql";

/**
 * Reads a PromQL expression with Prometheus' own grammar and follows the labels through it. It proves that an expression
 * parses and that each label it names is there where it is named; it evaluates nothing (promtool does).
 */
export interface Expression {
  /** Labels of each series of the result; `undefined` for a scalar. */
  readonly labels: ReadonlySet<string> | undefined;
  /** Each selector in it. */
  readonly selectors: readonly { readonly metric: string; readonly labels: readonly string[] }[];
}

type Node = ReturnType<typeof parser.parse>["topNode"];
type Labels = ReadonlySet<string> | undefined;

/**
 * Reads an expression.
 *
 * @param labelsOf the labels of a metric; throws where there is no such metric.
 * @throws Error that says what does not parse, or which label is not there.
 */
export function readExpression(text: string, labelsOf: (metric: string) => ReadonlySet<string>): Expression {
  const selectors: { metric: string; labels: string[] }[] = [];
  const fail = (node: Node, why: string): never => {
    throw new Error(`${why}: ${text.slice(node.from, node.to)} in ${text}`);
  };
  const wordsOf = (node: Node): string => text.slice(node.from, node.to);
  const named = (node: Node | null): string[] => (node?.getChildren("LabelName") ?? []).map(wordsOf);
  const mustHave = (node: Node, names: readonly string[], labels: Labels): void => {
    for (const name of names.filter((it) => labels?.has(it) !== true)) {
      fail(node, `no label ${name}`);
    }
  };

  function result(node: Node): Labels {
    switch (node.name) {
      case "NumberDurationLiteral":
      case "StringLiteral":
        return undefined;
      case "VectorSelector":
        return selected(node);
      case "AggregateExpr":
        return aggregated(node);
      case "FunctionCall":
        return called(node);
      case "BinaryExpr":
        return combined(node);
      case "ParenExpr":
      case "MatrixSelector":
      case "OffsetExpr":
        return result(node.firstChild ?? fail(node, "nothing in it"));
      default:
        return fail(node, `${node.name} is not read here`);
    }
  }

  function selected(node: Node): Labels {
    const metric = wordsOf(node.getChild("Identifier") ?? fail(node, "no metric's name"));
    const matchers = node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? [];
    const labels = matchers.flatMap(named);
    const known = labelsOf(metric);
    mustHave(node, labels, known);
    selectors.push({ metric, labels });
    return known;
  }

  function aggregated(node: Node): Labels {
    const inner = argumentsOf(node).at(-1);
    const modifier = node.getChild("AggregateModifier");
    const names = named(modifier?.getChild("GroupingLabels") ?? null);
    mustHave(node, names, inner);
    const without = modifier?.getChild("Without") != null;
    return new Set(without ? [...(inner ?? [])].filter((name) => !names.includes(name)) : names);
  }

  function called(node: Node): Labels {
    const name = wordsOf(node.getChild("FunctionIdentifier") ?? fail(node, "no function"));
    const inner = argumentsOf(node).at(-1);
    if (name === "histogram_quantile") {
      mustHave(node, ["le"], inner);
      return new Set([...(inner ?? [])].filter((label) => label !== "le"));
    }
    // What is absent has the labels it was asked for.
    return name === "absent" ? new Set(selectors.at(-1)?.labels) : name === "vector" ? new Set() : inner;
  }

  function combined(node: Node): Labels {
    const left = result(node.firstChild ?? fail(node, "nothing on the left"));
    const right = result(node.lastChild ?? fail(node, "nothing on the right"));
    const matching = node.getChild("MatchingModifierClause");
    if (matching?.getChild("On") != null) {
      const names = named(matching.getChild("GroupingLabels"));
      mustHave(node, names, left);
      mustHave(node, names, right);
    } else if (left !== undefined && right !== undefined && node.getChild("Or") === null) {
      if (left.size !== right.size || [...left].some((name) => !right.has(name))) {
        fail(node, "its sides have different labels and never match");
      }
    }
    return node.getChild("Or") === null
      ? (left ?? right)
      : new Set([...(left ?? [])].filter((name) => right?.has(name)));
  }

  function argumentsOf(node: Node): Labels[] {
    const found: Labels[] = [];
    for (let child = node.getChild("FunctionCallBody")?.firstChild; child != null; child = child.nextSibling) {
      found.push(result(child));
    }
    return found;
  }

  const { topNode } = parser.parse(text);
  topNode.cursor().iterate(({ node }) => {
    if (node.type.isError) {
      fail(topNode, "does not parse");
    }
  });
  return { labels: result(topNode.firstChild ?? fail(topNode, "is empty")), selectors };
}

/** Labels that a text names: `{{ $labels.queue }}` in an annotation, `{{queue}}` in a legend. */
export function labelsIn(text: string): string[] {
  return [...text.matchAll(/\{\{\s*(?:\$labels\.)?([a-z_]+)[^}]*\}\}/g)].map(([, name = ""]) => name);
}
