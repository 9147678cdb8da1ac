import type { DispatcherSettings } from "../dispatcher/settings";
import type { WebhookDispatcherArgs } from "./webhook-dispatcher-args";

/** What the dispatcher is told: its routes and limits, no secrets. */
export function settingsOf(args: WebhookDispatcherArgs): DispatcherSettings {
  return {
    agentsNamespace: args.agentsNamespace,
    mode: "webhook-only",
    queues: args.queues.map((queue) => ({
      key: queue.key,
      default: queue.default ?? false,
      ...(queue.clusterId === undefined ? {} : { clusterId: queue.clusterId }),
      tags: Object.entries({ ...queue.tags, queue: queue.key })
        .map(([key, value]) => `${key}=${value}`)
        .sort(),
      template: queue.templateName,
      agentMode: queue.agentMode ?? "acquire",
    })),
    limits: { createConcurrency: args.createConcurrency ?? 16, bufferSize: 1_000 },
  };
}
