import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { refuseFaults } from "./argument-rules";
import { tlsPairFault } from "./tls-pair";
import type { Exposure } from "./webhook-dispatcher-args";

/** Where the Secret goes. */
export interface TlsSecretPlace {
  /** Name of the dispatcher's component. */
  readonly name: string;
  readonly parent: pulumi.Resource;
  readonly namespace: pulumi.Input<string>;
}

/**
 * The Secret with the dispatcher's certificate and key, checked on their way into it: it is changed in place, and a pair
 * that does not fit must not overwrite one that does.
 *
 * @returns its name; undefined where the dispatcher speaks no HTTPS.
 */
export function createTlsSecret(
  { name, parent, namespace }: TlsSecretPlace,
  exposure: Exposure,
): pulumi.Output<string> | undefined {
  if (exposure.type !== "load-balancer" || exposure.tls === undefined) {
    return undefined;
  }
  const data = pulumi.all([exposure.tls.certificate, exposure.tls.key]).apply(([certificate, key]) => {
    const fault = tlsPairFault(certificate, key);
    refuseFaults(
      `WebhookDispatcher ${name}`,
      fault === undefined ? [] : [{ path: `exposure.tls.${fault.field}`, reason: fault.reason }],
    );
    return { "tls.crt": certificate, "tls.key": key };
  });
  const secret = new k8s.core.v1.Secret(
    `${name}-tls`,
    {
      metadata: { name: "buildkite-webhook-tls", namespace },
      type: "kubernetes.io/tls",
      stringData: pulumi.secret(data),
    },
    { parent },
  );
  return secret.metadata.name;
}
