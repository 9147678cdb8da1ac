import type { AgentsNamespace } from "../agents-namespace";
import type { Dispatch } from "../dispatch";
import type { JobsWatch } from "../jobs-watch";
import type { Log } from "../log";
import type { BuildkiteGauges, Metrics } from "../metrics";
import type { Patience } from "../patience";
import type { QueueRoute, ReconcileSettings } from "../settings";
import type { Buildkite } from "./buildkite";
import { Canceled } from "./canceled";
import { Reconcile } from "./reconcile";

export interface BuildkiteLoopsOptions {
  buildkite: Buildkite;
  settings: ReconcileSettings;
  queues: readonly QueueRoute[];
  api: AgentsNamespace;
  dispatch: Dispatch;
  jobs: JobsWatch;
  metrics: Metrics;
  log: Log;
  patience: Patience;
  /** Settled once templates and Jobs were read. */
  ready: Promise<unknown>;
}

/** What is done again and again with what Buildkite says. */
export class BuildkiteLoops {
  readonly reconcile: Reconcile;
  readonly #canceled: Canceled;
  readonly #options: BuildkiteLoopsOptions;

  constructor(options: BuildkiteLoopsOptions) {
    const { buildkite, settings, queues, api, dispatch, jobs, metrics, log, patience, ready } = options;
    const { client } = buildkite;
    this.#options = options;
    this.reconcile = new Reconcile({
      ...{ client, health: buildkite.health, queues, dispatch, jobs, log, ready },
      inFlight: settings.inFlight,
      intervalMs: settings.intervalSeconds * 1000,
      longestWaitMs: patience.buildkiteLongestWaitMs,
    });
    const { canceledIntervalMs: intervalMs, leftoverMs } = patience;
    this.#canceled = new Canceled({ client, api, jobs, queues, metrics, log, intervalMs, leftoverMs });
  }

  /** Runs them until the signal; each ends early only with an error. */
  run(signal: AbortSignal): Promise<void>[] {
    return [this.reconcile.run(signal), this.#canceled.run(signal)];
  }

  get gauges(): BuildkiteGauges {
    const { queues, settings, buildkite } = this.#options;
    const { reconcile } = this;
    return {
      cap: settings.inFlight,
      queues: () => {
        const views = queues.map(({ key }) => [key, reconcile.view(key)] as const);
        return new Map(views.flatMap(([key, view]) => (view === undefined ? [] : [[key, view] as const])));
      },
      listedAt: () => reconcile.listedAt,
      tokenRefused: () => buildkite.health.tokenRefused,
    };
  }
}
