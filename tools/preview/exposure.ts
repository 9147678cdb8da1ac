import { type Fields, fieldsAt, fieldsOf } from "../../policy/fields";
import { hidden, itemsOf, listShown, shown } from "./shown";

/** Whether the Service can be called from outside of the cluster; also where only the update knows. */
export function isExposed(service: Fields | undefined): boolean {
  const spec = fieldsAt(service, "spec");
  const { type, externalIPs } = spec;
  return (
    [service?.["spec"], type].some((value) => hidden(value) !== undefined) ||
    type === "LoadBalancer" ||
    type === "NodePort" ||
    itemsOf(externalIPs).length > 0
  );
}

/** How a Service can be called from outside of the cluster, and from where. */
export function serviceTexts(inputs: Fields): string[] {
  const [spec, annotations] = [fieldsAt(inputs, "spec"), fieldsAt(inputs, "metadata", "annotations")];
  const { type, externalIPs, loadBalancerSourceRanges: ranges } = spec;
  const internal = shown(annotations["networking.gke.io/load-balancer-type"]) === "Internal";
  const ports = itemsOf(spec["ports"]).map((port) => hidden(port) ?? shown(fieldsOf(port)["port"]));
  const from = itemsOf(ranges).length === 0 ? "" : `, from ${listShown(ranges)}`;
  return [
    ...(type === "LoadBalancer" || type === "NodePort" || hidden(type) !== undefined
      ? [`${internal ? "internal" : "public"} ${shown(type)}, ports ${ports.join(", ")}${from}`]
      : []),
    ...(itemsOf(externalIPs).length > 0 ? [`on external addresses ${listShown(externalIPs)}`] : []),
  ];
}

/** Which addresses an Ingress answers. */
export function ingressTexts(inputs: Fields): string[] {
  const [spec, annotations] = [fieldsAt(inputs, "spec"), fieldsAt(inputs, "metadata", "annotations")];
  const ingressClass = spec["ingressClassName"] ?? annotations["kubernetes.io/ingress.class"];
  const http = shown(annotations["kubernetes.io/ingress.allow-http"]) === "false" ? "" : " and HTTP";
  const open = `${shown(ingressClass) === "gce-internal" ? "internal" : "public"} HTTPS${http}`;
  const rules = itemsOf(spec["rules"]).map((item) => {
    const rule = fieldsOf(item);
    const paths = itemsOf(fieldsAt(rule, "http")["paths"]).map((path) => hidden(path) ?? shown(fieldsOf(path)["path"]));
    return `${open} ${hidden(item) ?? `${shown(rule["host"] ?? "every host")} ${paths.join(", ")}`}`;
  });
  return rules.length === 0 ? [`${open}, every host`] : rules;
}

/** Where an address of Google's can be reached from. */
export function addressTexts({ addressType }: Fields): string[] {
  const type = shown(addressType ?? "EXTERNAL");
  return [
    { EXTERNAL: "an address on the internet", INTERNAL: "an address of the VPC" }[type] ?? `an address of type ${type}`,
  ];
}
