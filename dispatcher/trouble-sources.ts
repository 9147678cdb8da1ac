import type { BuildkiteHealth } from "./buildkite/health";
import type { ListedQueue } from "./buildkite/queue-views";
import type { InformerFailure } from "./kubernetes/informer";

/** What troubles are found in. */
export interface TroubleSources {
  /** Milliseconds since 1970. */
  startedAt: number;
  /** When the API server last answered or sent anything, in milliseconds since 1970; 0 for never. */
  lastContact: () => number;
  /** By resource. */
  watches: Readonly<Record<string, { readonly failure: InformerFailure | undefined }>>;
  /** Names of the served queues' PodTemplates that are not there; none before they were read. */
  missingTemplates: () => readonly string[];
  /** How many held jobs wait for what. */
  waiting: () => ReadonlyMap<string, number>;
  bufferFull: () => boolean;
  /** `undefined` in webhook-only. */
  buildkite?: BuildkiteSources;
  silentMs: number;
  troubleAfterMs: number;
}

export interface BuildkiteSources {
  health: Pick<BuildkiteHealth, "trouble">;
  intervalMs: number;
  /** When every queue was last listed whole, in milliseconds since 1970; 0 for never. */
  listedAt: () => number;
  /** Jobs that may be added. */
  slots: () => number;
  queues: readonly string[];
  view: (queueKey: string) => ListedQueue | undefined;
  isStopped: (queueKey: string) => boolean;
}

/** Something that is wrong, as it shows just now. */
export interface Sign {
  part: "kubernetes" | "buildkite" | "queue" | "template" | "dispatcher";
  /** One of a bounded set, so that it can label a metric. */
  cause: string;
  /** Which of several: a queue's key, a template's name, a resource. */
  of?: string;
  /** In milliseconds since 1970, where that is known. */
  since?: number;
  words: string;
  fix: string;
}

/** Every sign of trouble; empty when all is well. A pool that is full, or a queue that somebody paused, is none. */
export function signsOfTrouble(sources: TroubleSources, now: number): Sign[] {
  const { buildkite } = sources;
  return [
    ...kubernetesSigns(sources, now),
    ...(buildkite === undefined ? [] : buildkiteSigns(sources, buildkite, now)),
  ];
}

function* kubernetesSigns(sources: TroubleSources, now: number): Generator<Sign, void, void> {
  const { startedAt, watches, silentMs, troubleAfterMs } = sources;
  const heard = Math.max(sources.lastContact(), startedAt);
  if (now - heard >= silentMs) {
    yield {
      ...{ part: "kubernetes", cause: "silent", since: heard },
      words: "Nothing is heard of the Kubernetes API server: no Job can be made, no watch tells anything.",
      fix: "See whether the cluster's control plane is up, and whether a network policy or firewall cuts the dispatcher off.",
    };
  }
  for (const [resource, { failure }] of Object.entries(watches)) {
    if (failure !== undefined && now - failure.since >= troubleAfterMs) {
      yield {
        ...{ part: "kubernetes", cause: "watch_failing", of: resource, since: failure.since },
        words: `The ${resource} cannot be watched: ${failure.error}`,
        fix: `Forbidden: run pulumi up, its Role allows list and watch of ${resource}. Otherwise see the API server's health.`,
      };
    }
  }
  const waiting = sources.waiting();
  const quota = waiting.get("quota") ?? 0;
  if (quota > 0) {
    yield {
      ...{ part: "kubernetes", cause: "quota_full" },
      words: `${quota} of the jobs held here wait because the quota of the agents' namespace is full (exceeded quota).`,
      fix: "It counts finished Jobs, too. They go by themselves; if this lasts, look for Jobs that do not end, or raise the quota.",
    };
  }
  const refused = waiting.get("refusal") ?? 0;
  if (refused > 0) {
    yield {
      ...{ part: "kubernetes", cause: "jobs_refused" },
      words: `${refused} of the jobs held here wait because the API server refuses their Jobs; they are tried again for a minute.`,
      fix: 'Read why in the log lines "waiting" with cause refusal; then run pulumi up: it sets policy, template and rights.',
    };
  }
  for (const name of sources.missingTemplates()) {
    yield {
      ...{ part: "template", cause: "missing", of: name },
      words: `There is no PodTemplate ${name}: the jobs of its queue get no pod.`,
      fix: "Run pulumi up --refresh.",
    };
  }
  if (sources.bufferFull()) {
    yield {
      ...{ part: "dispatcher", cause: "buffer_full" },
      words: "No more jobs can be held: further webhooks are answered 503.",
      fix: 'See what the held jobs wait for, under "held" in /status: mostly the API server or the quota.',
    };
  }
}

function* buildkiteSigns(
  sources: TroubleSources,
  buildkite: BuildkiteSources,
  now: number,
): Generator<Sign, void, void> {
  const { trouble } = buildkite.health;
  if (trouble !== undefined) {
    const refused = trouble.cause === "token_refused";
    yield {
      ...{ part: "buildkite", cause: trouble.cause, since: trouble.since },
      words: `${refused ? "Buildkite refuses the agent token" : "Buildkite does not answer as it should"}: ${trouble.error}`,
      fix: refused
        ? "Create an agent token in the queues' cluster at Buildkite, then: pulumi config set --secret agentToken, pulumi up."
        : "See Buildkite's status page; webhooks are served on, and the jobs that are missed are found when it is back.",
    };
  }
  const listed = Math.max(buildkite.listedAt(), sources.startedAt);
  const stale = now - listed >= 3 * buildkite.intervalMs;
  if (stale) {
    yield {
      ...{ part: "buildkite", cause: "list_stale", since: listed },
      words:
        "The scheduled jobs were not listed for more than three intervals: a job whose webhook is lost is not found.",
      fix: "See the log lines \"queue not listed\". 404: is the queue's key one of this agent token's cluster?",
    };
  }
  const free = buildkite.slots() > 0;
  for (const key of buildkite.queues) {
    const view = buildkite.view(key);
    const stopped = buildkite.isStopped(key);
    if (stopped) {
      yield {
        ...{ part: "queue", cause: "stopped", of: key },
        words: `Queue ${key} gets no Jobs: no agent took any of its last jobs, each tried with several pods.`,
        fix: "See why the agents of these pods ended, mostly a wrong agent token; then restart the dispatcher.",
      };
    }
    const { oldestSeconds = 0, paused = false } = view ?? {};
    if (free && !stale && !stopped && !paused && oldestSeconds * 1000 >= sources.troubleAfterMs) {
      yield {
        ...{ part: "queue", cause: "waiting_long", of: key, since: now - oldestSeconds * 1000 },
        words: `A job of queue ${key} has waited for ${Math.round(oldestSeconds)} s although there is room for its Job.`,
        fix: 'Find it in the log: the line "job" or "waiting" with its uuid says what its last try came to.',
      };
    }
  }
}
