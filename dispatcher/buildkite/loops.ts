import type { AgentsNamespace } from "../agents-namespace";
import type { Dispatch } from "../dispatch";
import type { JobsWatch } from "../jobs-watch";
import type { Log } from "../log";
import type { BuildkiteGauges, Metrics } from "../metrics";
import type { Patience } from "../patience";
import type { QueueRoute, ReconcileSettings } from "../settings";
import type { BuildkiteSources } from "../trouble-sources";
import type { PodsWatch } from "../pods-watch";
import type { Stories } from "../stories";
import { AgentLost } from "./agent-lost";
import { Attempts } from "./attempts";
import type { Buildkite } from "./buildkite";
import { Canceled } from "./canceled";
import { LongWaits } from "./long-waits";
import { Overdue } from "./overdue";
import { PodlessJobs } from "./podless-jobs";
import { Reconcile } from "./reconcile";
import { Report } from "./report";
import { StartFailures } from "./start-failures";

export interface BuildkiteLoopsOptions {
  buildkite: Buildkite;
  settings: ReconcileSettings;
  queues: readonly QueueRoute[];
  /** Of the agents. */
  namespace: string;
  signal: AbortSignal;
  api: AgentsNamespace;
  dispatch: Dispatch;
  jobs: JobsWatch;
  pods: PodsWatch;
  stories: Pick<Stories, "because" | "has">;
  metrics: Metrics;
  log: Log;
  patience: Patience;
  /** Settled once templates and Jobs were read. */
  ready: Promise<unknown>;
}

/** What is done again and again with what Buildkite says. */
export class BuildkiteLoops {
  readonly reconcile: Reconcile;
  readonly attempts: Attempts;
  readonly #canceled: Canceled;
  readonly #startFailures: StartFailures;
  readonly #overdue: Overdue;
  readonly #podlessJobs: PodlessJobs;
  readonly #longWaits: LongWaits;
  readonly #options: BuildkiteLoopsOptions;

  constructor(options: BuildkiteLoopsOptions) {
    const { buildkite, settings, queues, api, dispatch, jobs, pods, stories, metrics, log, patience, ready } = options;
    const { client, health, states } = buildkite;
    const report = new Report(client, states, log, options.signal);
    this.attempts = new Attempts({ report, namespace: options.namespace, metrics, log });
    this.#options = options;
    this.reconcile = new Reconcile({
      ...{ client, health, queues, dispatch, jobs, metrics, log, ready },
      isStopped: (key) => this.attempts.isStopped(key),
      inFlight: settings.inFlight,
      intervalMs: settings.intervalSeconds * 1000,
      longestWaitMs: patience.buildkiteLongestWaitMs,
    });
    const onEnding = (jobUid: string, why: string): void => {
      stories.because(jobUid, why);
    };
    const { aside } = this.reconcile;
    const agentLost = new AgentLost({ api, jobs, report, queues, metrics, log, afterMs: patience.agentLostMs });
    this.#canceled = new Canceled({
      ...{ client, api, jobs, queues, metrics, log, agentLost, onEnding },
      intervalMs: patience.canceledIntervalMs,
      leftoverMs: patience.leftoverMs,
      onTaken: (key) => {
        this.attempts.succeeded(key);
      },
    });
    this.#startFailures = new StartFailures({
      ...{ api, report, aside, queues, metrics, log, onEnding },
      intervalMs: patience.startFailuresIntervalMs,
      graceMs: patience.startGraceMs,
    });
    this.#overdue = new Overdue({
      ...{ api, jobs, queues, metrics, log, onEnding },
      intervalMs: patience.startFailuresIntervalMs,
    });
    this.#podlessJobs = new PodlessJobs({
      ...{ api, jobs, pods, report, aside, queues, metrics, log, onEnding },
      intervalMs: patience.podlessIntervalMs,
      afterMs: patience.refusalLimitMs,
      noteAfterMs: patience.longWaitMs,
    });
    this.#longWaits = new LongWaits({
      ...{ api, pods, dispatch, report, queues, log },
      isOurs: (jobUid) => stories.has(jobUid),
      intervalMs: patience.longWaitsIntervalMs,
      afterMs: patience.longWaitMs,
    });
  }

  /** Runs them until the signal; each ends early only with an error. */
  run(signal: AbortSignal): Promise<void>[] {
    const { reconcile } = this;
    const looks = [this.#canceled, this.#startFailures, this.#podlessJobs, this.#longWaits, this.#overdue];
    return [reconcile, ...looks].map((loop) => loop.run(signal));
  }

  get troubleSources(): BuildkiteSources {
    const { queues, settings, buildkite } = this.#options;
    const { reconcile, attempts } = this;
    return {
      ...{ health: buildkite.health, intervalMs: settings.intervalSeconds * 1000 },
      queues: queues.map(({ key }) => key),
      listedAt: () => reconcile.listedAt,
      slots: () => reconcile.slots(),
      view: (key) => reconcile.view(key),
      isStopped: (key) => attempts.isStopped(key),
    };
  }

  get gauges(): BuildkiteGauges {
    const { queues, settings, buildkite } = this.#options;
    const { reconcile, attempts } = this;
    const keys = queues.map(({ key }) => key);
    return {
      cap: settings.inFlight,
      queues: () => {
        const views = keys.map((key) => [key, reconcile.view(key)] as const);
        return new Map(views.flatMap(([key, view]) => (view === undefined ? [] : [[key, view] as const])));
      },
      listedAt: () => reconcile.listedAt,
      stopped: () => keys.filter((key) => attempts.isStopped(key)),
      tokenRefused: () => buildkite.health.tokenRefused,
    };
  }
}
