import * as gcp from "@pulumi/gcp";
import type { Exposure } from "../components/webhook-dispatcher-args";
import type { Configuration } from "../config";
import type { TargetCluster } from "./target-cluster";

/** The exposure that the configuration asks for, with the Google resources it needs. */
export function exposureOf(config: Configuration, cluster: TargetCluster): Exposure {
  switch (config.exposure ?? "none") {
    case "none":
      return { type: "none" };
    case "load-balancer":
      return { type: "load-balancer", internal: config.internal, tls: tlsOf(config) };
    case "ingress": {
      const { host = "" } = config;
      const project = cluster.gke?.project;
      const address = new gcp.compute.GlobalAddress(
        "webhook-address",
        { project, description: `Webhooks of Buildkite for ${host}` },
        // DNS points at it: worth protecting where people say so.
        { protect: config.protect ?? false },
      );
      const certificate = new gcp.compute.ManagedSslCertificate("webhook-certificate", {
        project,
        managed: { domains: [host] },
      });
      return {
        type: "ingress",
        host,
        addressName: address.name,
        address: address.address,
        certificateName: certificate.name,
      };
    }
  }
}

function tlsOf({ tlsCertificate, tlsKey }: Configuration): Extract<Exposure, { type: "load-balancer" }>["tls"] {
  return tlsCertificate === undefined || tlsKey === undefined
    ? undefined
    : { certificate: tlsCertificate, key: tlsKey };
}
