import { elementsOf, type Fields, fieldsAt, fieldsOf, textsOf } from "../../policy/fields";
import { podOf } from "../../policy/pods";
import { shown } from "./cell";
import type { Preview, PreviewStep } from "./preview";

/** What somebody may do or reach, what is kept from them, or what is reached: as far as a change adds or removes it. */
export interface PrivilegeRow {
  readonly change: "added" | "removed";
  readonly resource: string;
  readonly what: string;
}

/** One row for each resource and direction. */
export function privilegesOf({ steps }: Preview): PrivilegeRow[] {
  return steps.flatMap((step): PrivilegeRow[] => {
    const [before, after] = [grantsOf(step, step.before), grantsOf(step, step.after)];
    const row = (change: PrivilegeRow["change"], texts: readonly string[]): PrivilegeRow[] =>
      texts.length === 0
        ? []
        : [{ change, resource: `${step.type.split(":").pop() ?? ""} ${step.name}`, what: textsShown(step, texts) }];
    return [
      ...row(
        "removed",
        before.filter((what) => !after.includes(what)),
      ),
      ...row(
        "added",
        after.filter((what) => !before.includes(what)),
      ),
    ];
  });
}

/** A whole admission policy that comes or goes is told by its size. */
function textsShown(step: PreviewStep, texts: readonly string[]): string {
  const whole = step.before === undefined || step.after === undefined;
  return step.type.endsWith(":ValidatingAdmissionPolicy") && whole
    ? `${texts.length} rules of what is refused`
    : texts.join("; ");
}

function grantsOf(step: PreviewStep, inputs: Fields | undefined): string[] {
  if (inputs === undefined) {
    return [];
  }
  const kind = step.type.split(":").pop() ?? "";
  switch (kind) {
    case "Role":
    case "ClusterRole":
      return elementsOf(inputs["rules"]).map((rule) => ruleText(fieldsOf(rule)));
    case "RoleBinding":
    case "ClusterRoleBinding":
      return bindingTexts(inputs);
    case "Namespace":
      return labelTexts(inputs);
    case "NetworkPolicy":
      return networkTexts(inputs);
    case "Service":
      return serviceTexts(inputs);
    case "Ingress":
      return ingressTexts(inputs);
    case "IAMMember":
    case "IAMBinding":
      return [
        `${shown(inputs["role"])} for ${shown(inputs["member"] ?? elementsOf(inputs["members"]).map(shown).join(", "))}`,
      ];
    case "NodePool":
      return nodeTexts(inputs);
    case "GlobalAddress":
    case "Address":
      return ["an address on the internet"];
    case "ValidatingAdmissionPolicy":
      return elementsOf(fieldsAt(inputs, "spec")["validations"]).map(
        (rule) => `refuses: ${shown(fieldsOf(rule)["message"])}`,
      );
    case "ValidatingAdmissionPolicyBinding":
      return [`policy in force: ${textsOf(fieldsAt(inputs, "spec")["validationActions"]).join(", ")}`];
    default:
      return podTexts(step, inputs);
  }
}

function ruleText(rule: Fields): string {
  const list = (name: string) => textsOf(rule[name]).map((text) => (text === "" ? "core" : text));
  const names = list("resourceNames");
  const what = [...list("resources"), ...list("nonResourceURLs")].join(", ");
  return `${list("verbs").join(", ")} on ${what} (${list("apiGroups").join(", ")})${names.length === 0 ? "" : ` named ${names.join(", ")}`}`;
}

function bindingTexts(inputs: Fields): string[] {
  const role = fieldsAt(inputs, "roleRef");
  return elementsOf(inputs["subjects"]).map((element) => {
    const subject = fieldsOf(element);
    return `${shown(role["kind"])} ${shown(role["name"])} for ${shown(subject["kind"])} ${shown(subject["namespace"])}/${shown(subject["name"])}`;
  });
}

function labelTexts(inputs: Fields): string[] {
  const labels = fieldsAt(inputs, "metadata", "labels");
  return Object.keys(labels)
    .filter((key) => key.startsWith("pod-security.kubernetes.io/"))
    .map((key) => `${key.slice("pod-security.kubernetes.io/".length)} pod security ${shown(labels[key])}`);
}

function networkTexts(inputs: Fields): string[] {
  const spec = fieldsAt(inputs, "spec");
  return (["ingress", "egress"] as const).flatMap((direction) =>
    elementsOf(spec[direction]).map(
      (rule) => `${direction} ${peersText(fieldsOf(rule), direction === "ingress" ? "from" : "to")}`,
    ),
  );
}

function peersText(rule: Fields, side: "from" | "to"): string {
  const peers = elementsOf(rule[side]).map((element) => {
    const peer = fieldsOf(element);
    const block = fieldsAt(peer, "ipBlock");
    const except = textsOf(block["except"]);
    return "cidr" in block
      ? `${shown(block["cidr"])}${except.length === 0 ? "" : ` but ${except.join(", ")}`}`
      : `selected ${Object.keys(peer)
          .map((key) => key.replace("Selector", "s"))
          .join(" and ")}`;
  });
  const ports = elementsOf(rule["ports"]).map((port) => shown(fieldsOf(port)["port"]));
  return `${side} ${peers.length === 0 ? "anywhere" : peers.join(", ")}, ports ${ports.length === 0 ? "all" : ports.join(", ")}`;
}

function serviceTexts(inputs: Fields): string[] {
  const [spec, annotations] = [fieldsAt(inputs, "spec"), fieldsAt(inputs, "metadata", "annotations")];
  if (spec["type"] !== "LoadBalancer" && spec["type"] !== "NodePort") {
    return [];
  }
  const internal = shown(annotations["networking.gke.io/load-balancer-type"]) === "Internal";
  const ports = elementsOf(spec["ports"]).map((port) => shown(fieldsOf(port)["port"]));
  return [`${internal ? "internal" : "public"} ${shown(spec["type"])}, ports ${ports.join(", ")}`];
}

function ingressTexts(inputs: Fields): string[] {
  const [spec, annotations] = [fieldsAt(inputs, "spec"), fieldsAt(inputs, "metadata", "annotations")];
  const ingressClass = spec["ingressClassName"] ?? annotations["kubernetes.io/ingress.class"];
  const http = shown(annotations["kubernetes.io/ingress.allow-http"]) === "false" ? "" : " and HTTP";
  const open = `${shown(ingressClass) === "gce-internal" ? "internal" : "public"} HTTPS${http}`;
  const rules = elementsOf(spec["rules"]).map((element) => {
    const rule = fieldsOf(element);
    const paths = elementsOf(fieldsAt(rule, "http")["paths"]).map((path) => shown(fieldsOf(path)["path"]));
    return `${open} ${shown(rule["host"] ?? "every host")} ${paths.join(", ")}`;
  });
  return rules.length === 0 ? [`${open}, every host`] : rules;
}

function nodeTexts(inputs: Fields): string[] {
  const node = fieldsAt(inputs, "nodeConfig");
  return [
    `nodes run as service account ${shown(node["serviceAccount"])}`,
    ...textsOf(node["oauthScopes"]).map((scope) => `nodes have scope ${scope}`),
    `pods reach metadata by ${shown(fieldsAt(node, "workloadMetadataConfig")["mode"])}`,
    ...elementsOf(node["taints"]).map((taint) => {
      const { key, value, effect } = fieldsOf(taint);
      return `only pods that tolerate ${shown(key)}=${shown(value)}:${shown(effect)}`;
    }),
  ];
}

function podTexts(step: PreviewStep, inputs: Fields): string[] {
  const pod = podOf({ ...step, props: inputs });
  if (pod === undefined) {
    return [];
  }
  const { spec, containers } = pod;
  return [
    ...containers
      .filter(({ fields }) => fieldsAt(fields, "securityContext")["privileged"] === true)
      .map(({ name }) => `privileged container ${name}: root on its node`),
    ...["hostNetwork", "hostPID", "hostIPC"]
      .filter((field) => spec[field] === true)
      .map((field) => `${field} of its node`),
    ...elementsOf(spec["volumes"])
      .map((volume) => fieldsAt(volume, "hostPath"))
      .filter((hostPath) => "path" in hostPath)
      .map(({ path }) => `the node's folder ${shown(path)}`),
    `runs as service account ${shown(spec["serviceAccountName"] ?? "default")}, ${spec["automountServiceAccountToken"] === false ? "without" : "with"} its token`,
  ];
}
