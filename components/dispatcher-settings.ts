import type { DispatcherSettings } from "../dispatcher/settings";
import { BUILDKITE_ENDPOINT } from "./buildkite-endpoint";
import type { WebhookDispatcherArgs } from "./webhook-dispatcher-args";

/** What the dispatcher is told: its routes and limits, no secrets. */
export function settingsOf(args: WebhookDispatcherArgs): DispatcherSettings {
  const { buildkite } = args;
  return {
    agentsNamespace: args.agentsNamespace,
    ...(buildkite === undefined
      ? { mode: "webhook-only" }
      : {
          mode: "reconcile",
          stackKey: buildkite.stackKey,
          buildkite: {
            endpoint: buildkite.endpoint ?? BUILDKITE_ENDPOINT,
            intervalSeconds: buildkite.intervalSeconds ?? 10,
            ...(buildkite.jobAcquisitionTokens === true ? { jobAcquisitionTokens: true } : {}),
          },
        }),
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
    limits: {
      createConcurrency: args.createConcurrency ?? 16,
      bufferSize: 1_000,
      ...(buildkite === undefined ? {} : { inFlight: buildkite.jobsInFlight }),
    },
  };
}
