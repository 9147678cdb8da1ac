import type { Buildkite } from "./buildkite/buildkite";
import type { Reconcile } from "./buildkite/reconcile";
import type { Dispatch } from "./dispatch";
import type { JobsWatch } from "./jobs-watch";
import type { DispatcherSettings } from "./settings";
import type { Templates } from "./templates";
import type { Trouble } from "./troubles";
import type { WaitingRoom } from "./waiting-room";

/** What {@link readStatus} looks at. */
export interface StatusSources {
  settings: DispatcherSettings;
  podName: string;
  version: string;
  startedAt: Date;
  ready: () => string[];
  lastContact: () => number;
  lastGenuineAt: () => number;
  dispatch: Dispatch;
  room: WaitingRoom;
  jobs: JobsWatch;
  templates: Templates;
  /** Both `undefined` in webhook-only. */
  buildkite?: Buildkite;
  reconcile?: Reconcile;
  /** Whether a queue gets no more Jobs, because its last ones were all in vain. */
  isStopped?: (queueKey: string) => boolean;
  troubles: () => Trouble[];
}

/** Why the process should get no webhooks just now; local matters only: an API server that is away is everybody's. */
export function notReadyBecause(templates: Templates, dispatch: Dispatch, stopping: boolean): string[] {
  return [
    ...(stopping ? ["it is stopping"] : []),
    ...(templates.synced ? [] : ["the templates were not read yet"]),
    ...(dispatch.full ? ["its buffer is full"] : []),
  ];
}

/** How things stand, for a person. */
export function readStatus(sources: StatusSources): Record<string, unknown> {
  const { settings, dispatch, room, jobs, templates, buildkite, reconcile } = sources;
  const inFlight = jobs.inFlight();
  const faults = sources.ready();
  return {
    ready: faults.length === 0,
    notReadyBecause: faults,
    troubles: sources.troubles(),
    mode: settings.mode,
    version: sources.version,
    pod: sources.podName,
    startedAt: sources.startedAt.toISOString(),
    lastWebhookAt: timeOf(sources.lastGenuineAt()),
    kubernetes: { lastContactAt: timeOf(sources.lastContact()), jobsSynced: jobs.synced },
    buildkite:
      reconcile === undefined
        ? undefined
        : {
            ...buildkite?.health.description,
            lastAnswerAt: timeOf(buildkite?.health.lastAnswerAt ?? 0),
            lastListAt: timeOf(reconcile.listedAt),
            stackKey: settings.stackKey,
            jobsInFlightLimit: settings.limits.inFlight,
            slots: reconcile.slots(),
          },
    held: {
      jobs: dispatch.heldCount,
      bufferSize: settings.limits.bufferSize,
      oldestSeconds: Math.round(oldestHeldSeconds(dispatch)),
      waitingFor: Object.fromEntries(room.counts()),
    },
    queues: settings.queues.map((queue) => ({
      key: queue.key,
      clusterId: queue.clusterId,
      default: queue.default,
      agentMode: queue.agentMode,
      template: queue.template,
      templateFound: templates.watched(queue.template) !== undefined,
      jobsInFlight: inFlight.get(queue.key) ?? 0,
      stopped: sources.isStopped?.(queue.key),
      atBuildkite: reconcile?.view(queue.key),
    })),
  };
}

/** 0 where nothing is held. */
export function oldestHeldSeconds(dispatch: Dispatch): number {
  for (const { since } of dispatch.held()) {
    return (performance.now() - since) / 1000;
  }
  return 0;
}

function timeOf(milliseconds: number): string | null {
  return milliseconds === 0 ? null : new Date(milliseconds).toISOString();
}
