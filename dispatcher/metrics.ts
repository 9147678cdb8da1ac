import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** First part of every metric's name that is ours; those of the process have the usual names. */
export const METRIC_PREFIX = "buildkite_dispatcher_";

const FAST_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300];
/** From a create's milliseconds to the longest builds. */
const PHASE_BUCKETS = [0.05, 0.2, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600];

/** What is read when somebody asks for the metrics, instead of being kept up to date all the time. */
export interface Gauges {
  /** Live Jobs by queue key. */
  inFlight(): ReadonlyMap<string, number>;
  /** Held jobs by what they wait for; `creating` for those that wait for nothing but their turn or an answer. */
  held(): ReadonlyMap<string, number>;
  /** Age of the job held longest, in seconds; 0 for none. */
  oldestHeldSeconds(): number;
  bufferSize: number;
  /** When the API server last answered or sent anything, in milliseconds since 1970. */
  lastContact(): number;
  ready(): boolean;
  /** Pods without a node by queue key, and the age of the oldest of them in seconds; every served queue is among them. */
  pendingPods(): ReadonlyMap<string, { count: number; oldestSeconds: number }>;
  /** What is wrong just now; each pair once. */
  troubles(): readonly { part: string; cause: string }[];
  /** `undefined` in webhook-only. */
  buildkite?: BuildkiteGauges;
}

/** What is read of Buildkite and the reconcile loop. */
export interface BuildkiteGauges {
  /** Live Jobs there may be. */
  cap: number;
  /** By queue key, as last listed; a queue that was not listed yet is not among them. */
  queues(): ReadonlyMap<string, { paused: boolean; waiting: number; oldestSeconds: number; notServed: number }>;
  /** When every queue was last listed whole, in milliseconds since 1970; 0 for never. */
  listedAt(): number;
  tokenRefused(): boolean;
  /** Keys of the queues that get no Jobs because their last jobs used up all attempts. */
  stopped(): readonly string[];
}

export type Metrics = ReturnType<typeof createMetrics>;

/** The dispatcher's metrics, in a registry of their own so that several dispatchers fit in one process. */
export function createMetrics(version: string) {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name: METRIC_PREFIX + name, help, labelNames: [...labelNames], registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets = FAST_BUCKETS,
  ): Histogram<L> =>
    new Histogram({ name: METRIC_PREFIX + name, help, labelNames: [...labelNames], registers, buckets });
  new Gauge({
    ...{ name: `${METRIC_PREFIX}build_info`, help: "Always 1; the labels tell what runs.", registers },
    labelNames: ["version", "node"],
  }).set({ version, node: process.version }, 1);

  return {
    registry,
    webhooks: counter("webhooks_total", "Webhooks answered, by event and HTTP status.", ["event", "status"]),
    rejected: counter("webhooks_rejected_total", "Requests to /webhook refused, by cause.", ["cause"]),
    ignored: counter(
      "webhooks_ignored_total",
      "Genuine webhooks that ask for no Job here, and listed jobs not understood, by cause.",
      ["cause"],
    ),
    decisions: counter("jobs_total", "Scheduled jobs decided, by queue and outcome.", ["queue", "outcome"]),
    deferred: counter("deferred_total", "Scheduled jobs left at Buildkite for now, by queue and cause.", [
      ...(["queue", "cause"] as const),
    ]),
    givenUp: counter(
      "given_up_total",
      "Jobs whose end or trouble was told to Buildkite, by cause and what came of it.",
      [...(["queue", "cause", "reported"] as const)],
    ),
    waits: counter("waits_total", "Times a held job had to wait, by cause.", ["cause"]),
    orphans: counter("orphaned_pods_deleted_total", "Pods deleted because their Job was gone.", []),
    canceled: counter("canceled_jobs_deleted_total", "Jobs deleted because their build was over at Buildkite.", [
      "when",
    ]),
    returned: counter("returned_jobs_total", "Jobs deleted because their pod found no node in time; made anew.", []),
    jobTokens: counter("job_token_requests_total", "Requests of build pods for their token, by outcome.", ["outcome"]),
    startFailures: counter("start_failures_total", "Pods given up because they could not start, by cause.", ["cause"]),
    webhookToJob: histogram("webhook_to_job_seconds", "From a webhook's arrival to its Job's creation.", ["queue"]),
    runnableToJob: histogram("runnable_to_job_seconds", "From runnable at Buildkite to the Job's creation.", ["queue"]),
    phases: histogram(
      "job_phase_seconds",
      "Phases of ended jobs whose Job this replica made: scheduled_to_job, job_to_node, node_to_agent, agent.",
      ["queue", "phase"],
      PHASE_BUCKETS,
    ),
    requests: histogram("kubernetes_request_seconds", "Requests to the API server, by their result.", [
      ...(["verb", "resource", "code"] as const),
    ]),
    buildkiteRequests: histogram("buildkite_request_seconds", "Requests to Buildkite, by their result.", [
      ...(["call", "code"] as const),
    ]),
    informerErrors: counter("informer_errors_total", "Failed lists and watches.", ["resource"]),

    /** Registers what is read on demand. */
    read(gauges: Gauges): void {
      const gauge = <L extends string>(
        name: string,
        help: string,
        labelNames: readonly L[],
        collect: (gauge: Gauge<L>) => void,
      ): void => {
        new Gauge({
          ...{ name: METRIC_PREFIX + name, help, labelNames: [...labelNames], registers },
          collect() {
            this.reset();
            collect(this);
          },
        });
      };
      gauge("jobs_in_flight", "Live Jobs in the cluster, and our own creates not yet seen there.", ["queue"], (it) => {
        gauges.inFlight().forEach((count, queue) => {
          it.set({ queue }, count);
        });
      });
      gauge("jobs_held", "Jobs held in memory, by what they wait for.", ["state"], (it) => {
        gauges.held().forEach((count, state) => {
          it.set({ state }, count);
        });
      });
      gauge("oldest_held_seconds", "Age of the job held longest in memory.", [], (it) => {
        it.set(gauges.oldestHeldSeconds());
      });
      gauge("buffer_size", "Jobs that may be held before webhooks are answered 503.", [], (it) => {
        it.set(gauges.bufferSize);
      });
      gauge("kubernetes_last_contact_timestamp_seconds", "When the API server was last heard of.", [], (it) => {
        it.set(gauges.lastContact() / 1000);
      });
      gauge("ready", "1 while /readyz answers 200.", [], (it) => {
        it.set(gauges.ready() ? 1 : 0);
      });
      gauge("pods_pending", "Pods of ours that wait for a node.", ["queue"], (it) => {
        gauges.pendingPods().forEach(({ count }, queue) => {
          it.set({ queue }, count);
        });
      });
      gauge(
        "oldest_pending_pod_seconds",
        "Age of the pod that waits longest for a node; 0 for none.",
        ["queue"],
        (it) => {
          gauges.pendingPods().forEach(({ oldestSeconds }, queue) => {
            it.set({ queue }, oldestSeconds);
          });
        },
      );
      gauge("trouble", "1 while it lasts; /status says what it is and what to do.", ["part", "cause"], (it) => {
        gauges.troubles().forEach(({ part, cause }) => {
          it.set({ part, cause }, 1);
        });
      });
      const { buildkite } = gauges;
      if (buildkite === undefined) {
        return;
      }
      gauge("jobs_in_flight_limit", "Live Jobs there may be; further jobs wait at Buildkite.", [], (it) => {
        it.set(buildkite.cap);
      });
      gauge(
        "waiting_at_buildkite",
        "Scheduled jobs that wait at Buildkite for a slot, as last listed.",
        ["queue"],
        (it) => {
          buildkite.queues().forEach(({ waiting }, queue) => {
            it.set({ queue }, waiting);
          });
        },
      );
      gauge(
        "oldest_waiting_seconds",
        "Age of the oldest scheduled job that waits at Buildkite, as last listed; 0 for none.",
        ["queue"],
        (it) => {
          buildkite.queues().forEach(({ oldestSeconds }, queue) => {
            it.set({ queue }, oldestSeconds);
          });
        },
      );
      gauge("queue_paused", "1 while dispatch from the queue is paused at Buildkite.", ["queue"], (it) => {
        buildkite.queues().forEach(({ paused }, queue) => {
          it.set({ queue }, paused ? 1 : 0);
        });
      });
      gauge(
        "queue_stopped",
        "1 while the queue gets no Jobs because its last ones were all in vain.",
        ["queue"],
        (it) => {
          buildkite.stopped().forEach((queue) => {
            it.set({ queue }, 1);
          });
        },
      );
      gauge("not_served", "Scheduled jobs of the queue whose rules no served queue meets.", ["queue"], (it) => {
        buildkite.queues().forEach(({ notServed }, queue) => {
          it.set({ queue }, notServed);
        });
      });
      gauge("buildkite_last_list_timestamp_seconds", "When all queues were last listed at Buildkite.", [], (it) => {
        it.set(buildkite.listedAt() / 1000);
      });
      gauge("buildkite_token_refused", "1 while Buildkite refuses the agent token.", [], (it) => {
        it.set(buildkite.tokenRefused() ? 1 : 0);
      });
    },

    /** Memory, CPU, event loop and garbage collection of this process; once per process. */
    readProcess(): void {
      collectDefaultMetrics({ register: registry });
    },
  };
}
