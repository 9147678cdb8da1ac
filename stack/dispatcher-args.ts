import { createHash } from "node:crypto";
import type { WebhookDispatcherArgs } from "../components";
import { templateNameFor } from "../components/template-name";
import type { Exposure } from "../components/webhook-dispatcher-args";
import type { Configuration } from "../config";

/** The dispatcher: what the stack says of it; its cap on live Jobs is derived from what the nodes hold. */
export function dispatcherArgsOf(config: Configuration, exposure: Exposure): WebhookDispatcherArgs {
  return {
    namespace: config.dispatcherNamespace,
    agentsNamespace: config.agentsNamespace,
    queues: config.queues.map((queue) => ({ ...queue, templateName: templateNameFor(queue.key) })),
    webhookSecret: config.webhookSecret,
    previousWebhookSecret: config.previousWebhookSecret,
    buildkite:
      config.webhookOnly === true
        ? undefined
        : {
            agentToken: config.agentToken,
            stackKey: stackKeyOf(config),
            jobsInFlight: config.maxNodes * (config.jobsPerNode ?? 1),
            intervalSeconds: config.reconcileSeconds,
            endpoint: config.buildkiteEndpoint,
            jobAcquisitionTokens: config.jobAcquisitionTokens,
          },
    exposure,
    replicas: config.dispatcherReplicas,
    nodeImage: config.nodeImage,
    scrapeAnnotations: config.monitoring,
  };
}

/**
 * What Buildkite knows this stack by: the same at every `pulumi up`, and another for the stack of the same name that
 * somebody has on another cluster.
 */
export function stackKeyOf(
  config: Pick<Configuration, "stack" | "project" | "clusterStack" | "clusterName" | "clusterLocation" | "context">,
): string {
  const { stack, project, clusterStack, clusterName, clusterLocation, context } = config;
  const cluster = JSON.stringify([project, clusterStack, clusterName, clusterLocation, context]);
  const hash = createHash("sha256").update(`${stack} ${cluster}`).digest("hex").slice(0, 8);
  return `scale-to-zero-${stack.replace(/[^A-Za-z0-9_-]+/g, "-").slice(0, 50)}-${hash}`;
}
