import * as pulumi from "@pulumi/pulumi";
import type { WebhookDispatcher } from "../components";
import { WEBHOOK_PATH } from "../components/webhook-service";
import type { Configuration } from "../config";

/** What the words are about. */
type Addresses = Pick<WebhookDispatcher, "webhookUrl" | "webhookAddress" | "serviceName" | "namespace">;

/** What a person does after `pulumi up`, in words. */
export function nextStepsFor(config: Configuration, dispatcher: Addresses): pulumi.Output<string> {
  const events = "event job.scheduled, token = this stack's webhookSecret, sent as X-Buildkite-Signature";
  const queues = config.queues.map(({ key }) => key).join(", ");
  if (dispatcher.webhookUrl === undefined || dispatcher.webhookAddress === undefined) {
    const finds =
      config.webhookOnly === true
        ? "set exposure to let Buildkite call"
        : `Buildkite is asked every ${config.reconcileSeconds ?? 10} s, so that this works; set exposure to start builds at once`;
    return pulumi.interpolate`Nothing is exposed. Webhooks reach http://${dispatcher.serviceName}.${dispatcher.namespace}/webhook from inside the cluster only: ${finds}. Served queues: ${queues}.`;
  }
  const url = config.tlsKey === undefined ? dispatcher.webhookUrl : `https://<that name>${WEBHOOK_PATH}`;
  return pulumi.interpolate`${dns(config, dispatcher.webhookAddress)}At Buildkite, Settings, Notification Services, add a Webhook: URL ${url}, ${events}. Served queues: ${queues}.`;
}

/** The address needs a name where a certificate is for one: Google's for `host`, the stack's own for a name that only you know. */
function dns(config: Configuration, address: pulumi.Output<string>): pulumi.Output<string> | string {
  const name = config.tlsKey === undefined ? config.host : "the name that tlsCertificate is for";
  return name === undefined ? "" : pulumi.interpolate`Point ${name} at ${address}. `;
}
