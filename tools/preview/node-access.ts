import { elementsOf, type Fields, fieldsAt, fieldsOf } from "../../policy/fields";
import { podOf } from "../../policy/pods";
import type { PreviewStep } from "./preview";
import { hidden, itemsOf, shown } from "./shown";

/** What a pool's nodes may do, and which pods reach them. */
export function nodePoolTexts(inputs: Fields): string[] {
  const node = fieldsAt(inputs, "nodeConfig");
  return [
    `nodes run as service account ${shown(node["serviceAccount"])}`,
    ...itemsOf(node["oauthScopes"]).map((scope) => `nodes have scope ${shown(scope)}`),
    `pods reach metadata by ${shown(fieldsAt(node, "workloadMetadataConfig")["mode"])}`,
    ...itemsOf(node["taints"]).map((taint) => {
      const { key, value, effect } = fieldsOf(taint);
      return `only pods that tolerate ${hidden(taint) ?? `${shown(key)}=${shown(value)}:${shown(effect)}`}`;
    }),
  ];
}

/** What a pod has of its node, and as whom it runs. */
export function podTexts(inputs: Fields, step: PreviewStep): string[] {
  const pod = podOf({ ...step, props: inputs });
  if (pod === undefined) {
    return [];
  }
  const { spec, containers } = pod;
  return [
    ...containers
      .filter(({ fields }) => fieldsAt(fields, "securityContext")["privileged"] === true)
      .map(({ name }) => `privileged container ${name}: root on its node`),
    ...containers.flatMap(({ name, fields }) =>
      itemsOf(fieldsAt(fields, "securityContext", "capabilities")["add"]).map(
        (capability) => `container ${name} has capability ${shown(capability)}`,
      ),
    ),
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
