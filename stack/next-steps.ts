import * as pulumi from "@pulumi/pulumi";
import type { WebhookDispatcher } from "../components";
import type { Configuration } from "../config";

/** What a person does after `pulumi up`, in words. */
export function nextStepsFor(config: Configuration, dispatcher: WebhookDispatcher): pulumi.Output<string> {
  const events = "event job.scheduled, token = this stack's webhookSecret, sent as X-Buildkite-Signature";
  const queues = config.queues.map(({ key }) => key).join(", ");
  if (dispatcher.webhookUrl === undefined || dispatcher.webhookAddress === undefined) {
    const finds =
      config.webhookOnly === true
        ? "set exposure to let Buildkite call"
        : `Buildkite is asked every ${config.reconcileSeconds ?? 10} s, so that this works; set exposure to start builds at once`;
    return pulumi.interpolate`Nothing is exposed. Webhooks reach http://${dispatcher.serviceName}.${dispatcher.namespace}/webhook from inside the cluster only: ${finds}. Served queues: ${queues}.`;
  }
  const dns =
    config.host === undefined ? "" : pulumi.interpolate`Point ${config.host} at ${dispatcher.webhookAddress}. `;
  return pulumi.interpolate`${dns}At Buildkite, Settings, Notification Services, add a Webhook: URL ${dispatcher.webhookUrl}, ${events}. Served queues: ${queues}.`;
}
