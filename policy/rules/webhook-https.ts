import { elementsOf, type Fields, fieldsAt, fieldsOf, has, textOf } from "../fields";
import { kindOf } from "../pods";
import { type ReviewedResource, type Rule, titleOf } from "../rule";

const WHY =
  "A webhook's body carries the build's environment, and its signature hides nothing: over plain HTTP everybody on the way " +
  "reads it, and may repeat it within 5 minutes.";

/** What the internet can reach speaks HTTPS. */
export const webhookHttps: Rule = {
  name: "webhook-https-only",
  description: "What is open to the internet, webhooks first of all, is not served over plain HTTP.",
  severity: "critical",
  faultsOf(resource) {
    switch (kindOf(resource)) {
      case "Service":
        return serviceFaults(resource);
      case "Ingress":
        return ingressFaults(resource);
      default:
        return [];
    }
  },
};

function serviceFaults(resource: ReviewedResource): string[] {
  const spec = fieldsAt(resource.props, "spec");
  if (textOf(spec["type"]) !== "LoadBalancer" || isInternal(annotationsOf(resource))) {
    return [];
  }
  const plain = elementsOf(spec["ports"]).map(fieldsOf).filter(isPlainHttp);
  return plain.length === 0
    ? []
    : [
        `${titleOf(resource)}: a public LoadBalancer with plain HTTP on port ${plain.map(({ port }) => textOf(port) ?? "?").join(", ")}. ${WHY} ` +
          'Fix: annotation networking.gke.io/load-balancer-type: "Internal", or port 443 with TLS served by the pods (here: ' +
          "tlsCertificate and tlsKey, or exposure: ingress).",
      ];
}

function isInternal(annotations: Fields): boolean {
  return ["networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type"].some(
    (key) => has(annotations, key) && textOf(annotations[key])?.toLowerCase() === "internal",
  );
}

function isPlainHttp(port: Fields): boolean {
  const [number, name, protocol] = [
    textOf(port["port"]) ?? "",
    textOf(port["name"]) ?? "",
    textOf(port["appProtocol"]),
  ];
  if (protocol !== undefined) {
    return protocol.toLowerCase() === "http";
  }
  return number === "80" || number === "8080" || (/^(http|webhook)(-|$)/.test(name) && number !== "443");
}

function ingressFaults(resource: ReviewedResource): string[] {
  const [annotations, spec] = [annotationsOf(resource), fieldsAt(resource.props, "spec")];
  const ingressClass = textOf(spec["ingressClassName"]) ?? textOf(annotations["kubernetes.io/ingress.class"]) ?? "gce";
  if (ingressClass === "gce-internal") {
    return [];
  }
  const certificate = ["ingress.gcp.kubernetes.io/pre-shared-cert", "networking.gke.io/managed-certificates"].some(
    (key) => has(annotations, key),
  );
  const faults = [
    ...(elementsOf(spec["tls"]).length === 0 && !certificate
      ? ["it has no certificate (spec.tls, or one of GKE's)"]
      : []),
    // GKE's own switch: its load balancer listens on port 80 unless it is told not to.
    ...(ingressClass === "gce" && textOf(annotations["kubernetes.io/ingress.allow-http"]) !== "false"
      ? ['annotation kubernetes.io/ingress.allow-http is not "false", so GKE listens on port 80, too']
      : []),
  ];
  return faults.length === 0
    ? []
    : [
        `${titleOf(resource)}: ${faults.join("; ")}. ${WHY} Fix: spec.tls or ingress.gcp.kubernetes.io/pre-shared-cert, and ` +
          'kubernetes.io/ingress.allow-http: "false".',
      ];
}

function annotationsOf(resource: ReviewedResource): Fields {
  return fieldsAt(resource.props, "metadata", "annotations");
}
