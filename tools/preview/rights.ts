import { type Fields, fieldsAt, fieldsOf } from "../../policy/fields";
import { hidden, itemsOf, listShown, shown } from "./shown";

/** What a Role or ClusterRole lets do, a text for each rule. */
export function roleTexts(inputs: Fields): string[] {
  return itemsOf(inputs["rules"]).map((rule) => hidden(rule) ?? ruleText(fieldsOf(rule)));
}

function ruleText(rule: Fields): string {
  const list = (name: string) => itemsOf(rule[name]).map((text) => (text === "" ? "core" : shown(text)));
  const names = list("resourceNames");
  const what = [...list("resources"), ...list("nonResourceURLs")].join(", ");
  return `${list("verbs").join(", ")} on ${what} (${list("apiGroups").join(", ")})${names.length === 0 ? "" : ` named ${names.join(", ")}`}`;
}

/** Who has which role by a RoleBinding or ClusterRoleBinding. */
export function bindingTexts(inputs: Fields): string[] {
  const role = fieldsAt(inputs, "roleRef");
  return itemsOf(inputs["subjects"]).map((item) => {
    const subject = fieldsOf(item);
    const whom = `${shown(subject["kind"])} ${shown(subject["namespace"])}/${shown(subject["name"])}`;
    return `${hidden(inputs["roleRef"]) ?? `${shown(role["kind"])} ${shown(role["name"])}`} for ${hidden(item) ?? whom}`;
  });
}

/** Who has which role of Google's on what, by an IAMMember or IAMBinding of any service. */
export function iamTexts(inputs: Fields): string[] {
  const { role, member, members, condition, ...where } = inputs;
  const on = Object.entries(where)
    .filter(([key]) => !key.startsWith("__"))
    .map(([key, value]) => `${key} ${shown(value)}`)
    .sort();
  const { expression } = fieldsOf(condition);
  const only = condition === undefined ? "" : ` if ${hidden(condition) ?? shown(expression)}`;
  const whom = member === undefined ? listShown(members) : shown(member);
  return [`${shown(role)} for ${whom}${on.length === 0 ? "" : ` (${on.join(", ")})`}${only}`];
}

/** A service account of Google's: who may use it, and what for, other resources say. */
export function googleAccountTexts({ accountId, disabled }: Fields): string[] {
  return [`Google service account ${shown(accountId)}${disabled === true ? ", disabled" : ""}`];
}

/** As whom pods of a Kubernetes ServiceAccount act. */
export function serviceAccountTexts(inputs: Fields): string[] {
  const google = fieldsAt(inputs, "metadata", "annotations")["iam.gke.io/gcp-service-account"];
  return [
    inputs["automountServiceAccountToken"] === false
      ? "its pods have no token by themselves"
      : "its pods have its token unless they refuse it",
    ...(google === undefined ? [] : [`acts as Google service account ${shown(google)}`]),
  ];
}

/** Which pods a namespace lets in. */
export function namespaceTexts(inputs: Fields): string[] {
  const labels = fieldsAt(inputs, "metadata", "labels");
  return Object.keys(labels)
    .filter((key) => key.startsWith("pod-security.kubernetes.io/"))
    .map((key) => `${key.slice("pod-security.kubernetes.io/".length)} pod security ${shown(labels[key])}`);
}
