import { type Fields, fieldsAt, fieldsOf, has } from "../../policy/fields";
import { type Comparison, textDifference, together } from "./difference";
import { choiceOf } from "./selector";
import { hidden, itemsOf, listShown, shown } from "./shown";

const DIRECTIONS = ["ingress", "egress"] as const;
type Direction = (typeof DIRECTIONS)[number];

/** What a NetworkPolicy keeps from pods. */
interface Isolation {
  readonly pods: string;
  /** Of each direction in which it isolates them, what may pass all the same. */
  readonly rules: ReadonlyMap<Direction, readonly string[]>;
}

/**
 * Compares what two states of a NetworkPolicy isolate. Its rules let pass: told alone, those of a policy that goes would
 * read as if something were forbidden, while everything is open.
 */
export const compareNetworkPolicies: Comparison = (before, after) => {
  if ([before, after].some((inputs) => hidden(inputs?.["spec"]) !== undefined)) {
    return together([]);
  }
  const [was, is] = [isolationOf(before), isolationOf(after)];
  const ended = DIRECTIONS.filter((direction) => was.rules.has(direction) && !is.rules.has(direction));
  const begun = DIRECTIONS.filter((direction) => !was.rules.has(direction) && is.rules.has(direction));
  const stay = DIRECTIONS.filter((direction) => was.rules.has(direction) && is.rules.has(direction));
  const open = `no longer isolates ${was.pods} for ${ended.join(" and ")}: open unless another policy isolates them`;
  return together([
    ...(stay.length > 0 ? [textDifference([`selects ${was.pods}`], [`selects ${is.pods}`])] : []),
    ...(ended.length > 0 ? [textDifference([open], [])] : []),
    ...(begun.length > 0 ? [textDifference([], [`isolates ${is.pods} for ${begun.join(" and ")}`])] : []),
    textDifference(policyTypesHidden(before), policyTypesHidden(after)),
    ...[...begun, ...stay].map((direction) =>
      textDifference(was.rules.get(direction) ?? [], is.rules.get(direction) ?? []),
    ),
  ]);
};

function isolationOf(inputs: Fields | undefined): Isolation {
  if (inputs === undefined) {
    return { pods: "", rules: new Map() };
  }
  const spec = fieldsAt(inputs, "spec");
  const namespace = fieldsAt(inputs, "metadata")["namespace"];
  const rules = isolatedBy(spec).map((direction) => [direction, rulesOf(spec[direction], direction)] as const);
  return {
    pods: `${choiceOf(spec["podSelector"], "pod")} of ${namespace === undefined ? "its namespace" : `namespace ${shown(namespace)}`}`,
    rules: new Map(rules),
  };
}

/** As Kubernetes has it: without a word on it for ingress, and for egress where there are rules for it. */
function isolatedBy(spec: Fields): Direction[] {
  const types = itemsOf(spec["policyTypes"]);
  return DIRECTIONS.filter((direction) =>
    types.length === 0
      ? direction === "ingress" || itemsOf(spec["egress"]).length > 0
      : types.some((type) => hidden(type) !== undefined || shown(type).toLowerCase() === direction),
  );
}

function policyTypesHidden(inputs: Fields | undefined): string[] {
  const words = itemsOf(fieldsAt(inputs, "spec")["policyTypes"]).flatMap((type) => hidden(type) ?? []);
  return words.length === 0 ? [] : [`policy types ${words.join(", ")}`];
}

function rulesOf(rules: unknown, direction: Direction): string[] {
  const [side, nothing] =
    direction === "ingress" ? (["from", "nothing may come in"] as const) : (["to", "nothing may go out"] as const);
  const texts = itemsOf(rules).map((rule) => {
    const peers = itemsOf(fieldsOf(rule)[side]).map(peerText);
    const ports = itemsOf(fieldsOf(rule)["ports"]).map(portText);
    const text = `${side} ${peers.length === 0 ? "anywhere" : peers.join(", ")}, ports ${ports.length === 0 ? "all" : ports.join(", ")}`;
    return `${direction} ${hidden(rule) ?? text}`;
  });
  return texts.length === 0 ? [`${direction}: ${nothing}`] : texts;
}

function peerText(peer: unknown): string {
  const fields = fieldsOf(peer);
  const { ipBlock, namespaceSelector, podSelector } = fields;
  if (hidden(peer) !== undefined) {
    return shown(peer);
  }
  if (has(fields, "ipBlock")) {
    const { cidr, except } = fieldsOf(ipBlock);
    const but = itemsOf(except).length === 0 ? "" : ` but ${listShown(except)}`;
    return hidden(ipBlock) ?? `${shown(cidr)}${but}`;
  }
  return `${choiceOf(podSelector, "pod")} of ${has(fields, "namespaceSelector") ? choiceOf(namespaceSelector, "namespace") : "its namespace"}`;
}

function portText(item: unknown): string {
  const { protocol, port, endPort } = fieldsOf(item);
  const end = endPort === undefined ? "" : `-${shown(endPort)}`;
  return hidden(item) ?? `${shown(protocol ?? "TCP")} ${port === undefined ? "all" : shown(port)}${end}`;
}
