import { ingressArgs, serviceArgs } from "../../components/webhook-service";
import { webhookHttps } from "../../policy/rules/webhook-https";
import { allows, refuses } from "../policy/verdicts";
import { resource } from "../support/manifests";

describe("webhook-https-only", () => {
  const service = (annotations: Record<string, string>, spec: object) =>
    resource("kubernetes:core/v1:Service", "webhook", { metadata: { annotations }, spec });
  const ingress = (annotations: object, spec: object = {}) =>
    resource("kubernetes:networking.k8s.io/v1:Ingress", "webhook", { metadata: { annotations }, spec });

  it("allows every exposure of this project", () => {
    const exposures = [
      { type: "none" },
      { type: "load-balancer", internal: true },
      { type: "load-balancer", tls: { certificate: "c", key: "k" } },
      { type: "ingress", host: "h", address: "a", addressName: "a", certificateName: "c" },
    ] as const;
    for (const exposure of exposures) {
      const { annotations, spec } = serviceArgs(exposure, { app: "dispatcher" });
      allows(webhookHttps, service(annotations, spec));
      if (exposure.type === "ingress") {
        const args = ingressArgs(exposure, "dispatcher");
        allows(webhookHttps, ingress(args.annotations ?? {}, args.spec));
      }
    }
  });

  it("refuses a public LoadBalancer with plain HTTP, by port, name or protocol", () => {
    for (const port of [{ port: 80 }, { port: 9000, name: "http" }, { port: 9000, appProtocol: "http" }]) {
      refuses(
        webhookHttps,
        service({}, { type: "LoadBalancer", ports: [port] }),
        /public LoadBalancer with plain HTTP/,
      );
    }
    allows(webhookHttps, service({}, { type: "LoadBalancer", ports: [{ port: 8080, appProtocol: "https" }] }));
  });

  it("refuses an Ingress that listens on port 80, or has no certificate", () => {
    const cert = { "ingress.gcp.kubernetes.io/pre-shared-cert": "c" };
    const off = { "kubernetes.io/ingress.allow-http": "false" };
    refuses(webhookHttps, ingress(cert), /allow-http is not "false"/);
    refuses(webhookHttps, ingress(off), /it has no certificate/);
    allows(webhookHttps, ingress(off, { tls: [{ secretName: "t" }] }));
    allows(webhookHttps, ingress({}, { ingressClassName: "gce-internal" }));
    allows(webhookHttps, ingress({}, { ingressClassName: "nginx", tls: [{ secretName: "t" }] }));
    refuses(webhookHttps, ingress({}, { ingressClassName: "nginx" }), /it has no certificate/);
  });
});
