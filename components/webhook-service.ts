import type * as k8s from "@pulumi/kubernetes";
import type { Exposure } from "./webhook-dispatcher-args";

/** Path that Buildkite posts to; the only one an Ingress lets through. */
export const WEBHOOK_PATH = "/webhook";

/** The Service in front of the dispatcher, by exposure. */
export function serviceArgs(
  exposure: Exposure,
  labels: Readonly<Record<string, string>>,
): { annotations: Record<string, string>; spec: k8s.types.input.core.v1.ServiceSpec } {
  const selector = { ...labels };
  if (exposure.type === "load-balancer") {
    const port = exposure.tls === undefined ? 80 : 443;
    return {
      annotations: exposure.internal === true ? { "networking.gke.io/load-balancer-type": "Internal" } : {},
      spec: { type: "LoadBalancer", selector, ports: [{ name: "webhook", port, targetPort: "webhook" }] },
    };
  }
  return {
    // Container-native load balancing: the load balancer sees pods, so draining works.
    annotations: exposure.type === "ingress" ? { "cloud.google.com/neg": '{"ingress": true}' } : {},
    spec: { type: "ClusterIP", selector, ports: [{ name: "webhook", port: 80, targetPort: "webhook" }] },
  };
}

/** The Ingress for exposure `ingress`: one host, one path, HTTPS only. */
export function ingressArgs(
  exposure: Extract<Exposure, { type: "ingress" }>,
  serviceName: k8s.types.input.networking.v1.IngressServiceBackend["name"],
): {
  annotations: k8s.types.input.meta.v1.ObjectMeta["annotations"];
  spec: k8s.types.input.networking.v1.IngressSpec;
} {
  return {
    annotations: {
      "kubernetes.io/ingress.class": "gce",
      "kubernetes.io/ingress.allow-http": "false",
      "kubernetes.io/ingress.global-static-ip-name": exposure.addressName,
      "ingress.gcp.kubernetes.io/pre-shared-cert": exposure.certificateName,
    },
    spec: {
      rules: [
        {
          host: exposure.host,
          http: {
            paths: [
              {
                path: WEBHOOK_PATH,
                pathType: "Exact",
                backend: { service: { name: serviceName, port: { name: "webhook" } } },
              },
            ],
          },
        },
      ],
    },
  };
}
