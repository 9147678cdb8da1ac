import type { DispatcherSettings } from "../../dispatcher/settings";
import type { SystemSetting } from "./setting";

/** Key of the queue that every row's builds are for; it is the default queue, too. */
export const QUEUE = "linux";
/** From one list to the next: what the program's configuration has by default. */
export const RECONCILE_SECONDS = 10;
/** More than any row has builds: what is waited for is never a free slot. */
const IN_FLIGHT = 2_000;
const BUFFER_SIZE = 1_000;

/** What the row's dispatchers are to know. */
export interface SettingsWanted {
  /** Of the agents. */
  readonly namespace: string;
  readonly builds: number;
  readonly setting?: SystemSetting;
  readonly webhookOnly: boolean;
}

/** The dispatchers' settings, both replicas the same. */
export function dispatcherSettings(wanted: SettingsWanted, buildkiteUrl: string): DispatcherSettings {
  const { namespace: agentsNamespace, builds, setting, webhookOnly } = wanted;
  const queue = { key: QUEUE, default: true, tags: [`queue=${QUEUE}`], template: QUEUE, agentMode: "acquire" as const };
  const limits = { createConcurrency: 16, bufferSize: setting?.bufferSize ?? BUFFER_SIZE };
  if (webhookOnly) {
    return { agentsNamespace, queues: [queue], mode: "webhook-only", limits };
  }
  return {
    ...{ agentsNamespace, queues: [queue], mode: "reconcile", stackKey: `faults-${agentsNamespace}` },
    buildkite: { endpoint: `${buildkiteUrl}/v3`, intervalSeconds: RECONCILE_SECONDS },
    limits: { ...limits, inFlight: setting?.inFlight?.(builds) ?? IN_FLIGHT },
  };
}
