/**
 * Two hours of a dispatcher's metrics, a value each minute, as two replicas have them: a stand-in for what Prometheus
 * would have scraped. It models which series there are and how they move; the numbers are invented.
 */

/** What a series does instead of what it does when all is well. */
export interface Change {
  /** Name, without the first part that all of ours have, and labels other than namespace and pod. */
  readonly series: string;
  /** In promtool's notation: `0x120`, `0+5x120`, `_x120` for nothing. */
  readonly values: string;
  /** Of one replica only. */
  readonly pod?: Pod;
}

/** Something that happens, and the alerts that fire at the end of it. */
export interface Scenario {
  readonly name: string;
  readonly changes: readonly Change[];
  readonly fires: readonly string[];
  /** The minute from which on just these fire, each minute to the end; without it only the end counts. */
  readonly from?: number;
}

/** The last minute. */
export const END = 120;

type Pod = (typeof PODS)[number];
const PODS = ["a", "b"] as const;

/** They have run for a day when Prometheus sees them first, and each counter that an alert reads has counted something. */
const HEALTHY: readonly Change[] = [
  { series: "ready", values: "1x120" },
  { series: "process_start_time_seconds", values: "-86400x120" },
  { series: "process_resident_memory_bytes", values: "100000000x120" },
  { series: "kubernetes_last_contact_timestamp_seconds", values: "0+60x120" },
  { series: 'kubernetes_request_seconds_count{verb="create",resource="jobs",code="201"}', values: "0+9x120" },
  { series: 'kubernetes_request_seconds_count{verb="create",resource="jobs",code="409"}', values: "0+4x120" },
  { series: 'informer_errors_total{resource="jobs"}', values: "2x120" },
  { series: 'jobs_held{state="creating"}', values: "3x120" },
  { series: "buffer_size", values: "1000x120" },
  { series: 'webhooks_total{event="job.scheduled",status="200"}', values: "0+5x120" },
  { series: 'webhooks_total{event="job.scheduled",status="503"}', values: "40x120" },
  { series: 'webhooks_rejected_total{cause="signature_wrong"}', values: "70x120" },
  { series: 'webhooks_ignored_total{cause="other_event"}', values: "0+1x120" },
  { series: 'webhooks_ignored_total{cause="malformed"}', values: "1x120" },
  { series: 'buildkite_request_seconds_count{call="list",code="200"}', values: "0+18x120" },
  { series: 'buildkite_request_seconds_count{call="list",code="429"}', values: "50x120" },
  { series: 'buildkite_request_seconds_count{call="finish",code="422"}', values: "0+3x120" },
  { series: "buildkite_last_list_timestamp_seconds", values: "0+60x120" },
  { series: "buildkite_token_refused", values: "0x120" },
  { series: "jobs_in_flight_limit", values: "10x120" },
  { series: 'jobs_in_flight{queue="default"}', values: "4x120" },
  { series: 'jobs_in_flight{queue="docker"}', values: "0x120" },
  { series: 'oldest_waiting_seconds{queue="default"}', values: "5x120" },
  { series: 'queue_paused{queue="default"}', values: "0x120" },
  { series: 'not_served{queue="default"}', values: "0x120" },
  { series: 'oldest_pending_pod_seconds{queue="default"}', values: "150x120" },
  { series: 'jobs_total{queue="default",outcome="created"}', values: "0+5x120" },
  { series: 'jobs_total{queue="default",outcome="lost"}', values: "0+1x120" },
  { series: 'jobs_total{queue="default",outcome="failed"}', values: "1x120" },
  { series: 'start_failures_total{cause="ImagePullBackOff"}', values: "1x120" },
  { series: 'given_up_total{queue="default",cause="exhausted",reported="unneeded"}', values: "0+1x120" },
  { series: 'given_up_total{queue="default",cause="exhausted",reported="finished"}', values: "1x120" },
  { series: 'given_up_total{queue="default",cause="agent_lost",reported="finished"}', values: "20x120" },
  { series: 'canceled_jobs_deleted_total{when="before_start"}', values: "0+1x120" },
  { series: 'canceled_jobs_deleted_total{when="left_over"}', values: "20x120" },
];

/** All series of replicas that cannot be scraped for a while: a staleness marker, then nothing. */
function unscraped(from: number, minutes: number, pod?: Pod): Change[] {
  return HEALTHY.map(({ series, values }) => {
    const [, first = "", step = "0"] = /^(-?\d+)(?:\+(\d+))?x120$/.exec(values) ?? [];
    const later = Number(first) + Number(step) * (from + minutes);
    const [before, after] = [from - 1, END - from - minutes];
    return { series, values: `${first}+${step}x${before} stale _x${minutes - 1} ${later}+${step}x${after}`, pod };
  });
}

/** A job that is listed and has no Job, whatever keeps it: also one that is held, or was tried in vain. */
function waitingFor(minutes: number): Change {
  const before = END - minutes;
  return { series: 'oldest_waiting_seconds{queue="default"}', values: `5x${before} 60+60x${minutes - 1}` };
}

/** Fires nothing, whatever goes on. */
const QUIET: readonly Scenario[] = [
  { name: "all is well", changes: [], fires: [] },
  {
    name: "a rolling update: one replica goes, for a minute there are none of its series",
    changes: [
      { series: "ready", values: "1x110 _ 1x8", pod: "b" },
      { series: "process_start_time_seconds", values: "-86400x110 _ 6660x8", pod: "b" },
      { series: "kubernetes_last_contact_timestamp_seconds", values: "0+60x110 _ 6720+60x8", pod: "b" },
    ],
    fires: [],
  },
  {
    name: "all slots are taken for 20 minutes, and jobs wait",
    changes: [{ series: 'jobs_in_flight{queue="default"}', values: "10x120" }, waitingFor(20)],
    fires: [],
  },
  {
    name: "a paused queue",
    changes: [
      { series: 'queue_paused{queue="default"}', values: "1x120" },
      { series: 'oldest_waiting_seconds{queue="default"}', values: "0+60x120" },
    ],
    fires: [],
  },
  {
    name: "Buildkite does not answer for 90 s",
    changes: [{ series: "buildkite_last_list_timestamp_seconds", values: "0+60x118 7080x2" }],
    fires: [],
  },
  {
    name: "a stranger tries three times",
    changes: [{ series: 'webhooks_rejected_total{cause="signature_wrong"}', values: "70x115 73x5", pod: "a" }],
    fires: [],
  },
  {
    name: "one of two replicas does not reach Buildkite for an hour: what it has listed last grows old",
    changes: [
      { series: "buildkite_last_list_timestamp_seconds", values: "0+60x60 3600x59", pod: "a" },
      { ...waitingFor(60), pod: "a" },
      { series: 'not_served{queue="default"}', values: "0x55 2x64", pod: "a" },
    ],
    fires: [],
  },
  { name: "a replica cannot be scraped for 3 minutes", changes: unscraped(41, 3, "a"), fires: [] },
  // Longer than most windows; meanwhile it fires that nothing is scraped.
  { name: "no replica was scraped for 20 minutes", changes: unscraped(21, 20), fires: [], from: 41 },
];

function firing(alert: string, ...changes: Change[]): Scenario {
  return { name: `${alert} fires`, changes, fires: [alert] };
}

const LOUD: readonly Scenario[] = [
  {
    name: "no replica is scraped",
    changes: HEALTHY.map(({ series }) => ({ series, values: "1x100 _x20" })),
    fires: ["BuildkiteDispatcherDown"],
  },
  firing("BuildkiteDispatcherNotReady", { series: "ready", values: "1x115 0x5" }),
  firing("BuildkiteDispatcherReplicaMissing", { series: "ready", values: "1x100 0x20", pod: "b" }),
  firing("BuildkiteDispatcherRestarting", {
    ...{ series: "process_start_time_seconds", pod: "b" },
    values: "-86400x100 6060x5 6360x5 6660x10",
  }),
  firing("BuildkiteDispatcherMemoryHigh", {
    ...{ series: "process_resident_memory_bytes", pod: "b" },
    values: "100000000x100 240000000x20",
  }),
  firing("BuildkiteKubernetesUnreachable", {
    ...{ series: "kubernetes_last_contact_timestamp_seconds", pod: "a" },
    values: "0+60x110 6600x10",
  }),
  firing("BuildkiteKubernetesFailing", {
    series: 'kubernetes_request_seconds_count{verb="create",resource="jobs",code="ETIMEDOUT"}',
    values: "0x90 0+5x30",
  }),
  firing("BuildkiteWatchFailing", {
    series: 'trouble{part="kubernetes",cause="watch_failing"}',
    values: "_x110 1x10",
    pod: "a",
  }),
  {
    name: "nothing is heard of the API server for an hour",
    changes: [
      { series: "kubernetes_last_contact_timestamp_seconds", values: "0+60x60 3600x59" },
      { series: 'jobs_held{state="api_server"}', values: "_x60 6x60" },
      waitingFor(60),
    ],
    fires: ["BuildkiteKubernetesUnreachable"],
    from: 70,
  },
  {
    name: "a PodTemplate is missing for an hour",
    changes: [
      { series: 'trouble{part="template",cause="missing"}', values: "_x60 1x60" },
      { series: 'jobs_total{queue="default",outcome="refused"}', values: "_x62 1+2x58" },
      waitingFor(60),
    ],
    fires: ["BuildkiteTemplateMissing", "BuildkiteJobsNotMade"],
    from: 70,
  },
  {
    ...firing(
      "BuildkiteListStale",
      { series: "buildkite_last_list_timestamp_seconds", values: "0+60x60 3600x59" },
      waitingFor(60),
    ),
    from: 70,
  },
  firing("BuildkiteTokenRefused", { series: "buildkite_token_refused", values: "0x110 1x10" }),
  firing("BuildkiteApiFailing", {
    series: 'buildkite_request_seconds_count{call="list",code="503"}',
    values: "0x90 0+9x30",
  }),
  firing("BuildkiteRateLimited", {
    series: 'buildkite_request_seconds_count{call="list",code="429"}',
    values: "_x105 1+1x15",
  }),
  {
    ...firing(
      "BuildkiteQueueStopped",
      { series: 'queue_stopped{queue="default"}', values: "_x60 1x60" },
      waitingFor(60),
    ),
    from: 70,
  },
  firing("BuildkiteJobsWaitDespiteFreeSlots", waitingFor(15)),
  {
    ...firing(
      "BuildkiteJobsWaitDespiteFreeSlots",
      { series: 'jobs_held{state="api_server"}', values: "_x105 6x15" },
      waitingFor(15),
    ),
    name: "BuildkiteJobsWaitDespiteFreeSlots fires where the API server is there but takes no Job",
  },
  {
    ...firing(
      "BuildkiteJobsWaitDespiteFreeSlots",
      { series: "buildkite_last_list_timestamp_seconds", values: "0+60x60 3600x59", pod: "a" },
      { series: 'queue_paused{queue="default"}', values: "1x120", pod: "a" },
      { ...waitingFor(15), pod: "b" },
    ),
    name: "BuildkiteJobsWaitDespiteFreeSlots fires though a replica that is cut off has last seen the queue paused",
  },
  {
    ...firing(
      "BuildkiteJobsWaitDespiteFreeSlots",
      { series: 'queue_stopped{queue="docker"}', values: "1x120" },
      { series: 'jobs_total{queue="docker",outcome="foreign"}', values: "0+1x120" },
      waitingFor(15),
    ),
    name: "BuildkiteJobsWaitDespiteFreeSlots fires though it is known what keeps another queue",
    fires: ["BuildkiteJobsWaitDespiteFreeSlots", "BuildkiteQueueStopped", "BuildkiteJobsNotMade"],
  },
  firing("BuildkiteJobsWaitTooLong", { series: 'jobs_in_flight{queue="default"}', values: "10x120" }, waitingFor(50)),
  firing("BuildkiteJobsNotServed", { series: 'not_served{queue="default"}', values: "0x80 2x40" }),
  // The first of its cause: the series is born with 1, and nothing is added.
  firing("BuildkitePodsCannotStart", {
    series: 'start_failures_total{cause="InvalidImageName"}',
    values: "_x110 1x10",
    pod: "a",
  }),
  {
    ...firing("BuildkitePodsCannotStart", {
      series: 'start_failures_total{cause="ImagePullBackOff"}',
      values: "1x110 2x10",
    }),
    name: "BuildkitePodsCannotStart fires for a further one",
  },
  firing("BuildkitePodsPendingTooLong", {
    series: 'oldest_pending_pod_seconds{queue="default"}',
    values: "0x90 0+60x30",
  }),
  firing("BuildkiteJobsGivenUp", {
    series: 'given_up_total{queue="default",cause="exhausted",reported="unsaid"}',
    values: "_x110 1x10",
    pod: "b",
  }),
  firing("BuildkiteJobsNotMade", {
    series: 'jobs_total{queue="default",outcome="refused"}',
    values: "_x110 1x10",
    pod: "b",
  }),
  {
    ...firing(
      "BuildkiteJobsNotMade",
      { series: "process_start_time_seconds", values: "_x110 6590x10", pod: "b" },
      { series: 'jobs_total{queue="default",outcome="failed"}', values: "_x110 1x10", pod: "b" },
    ),
    name: "BuildkiteJobsNotMade fires for what a new replica has counted before its first scrape",
  },
  {
    ...firing(
      "BuildkiteJobsNotMade",
      { series: "process_start_time_seconds", values: "_x104 6150x16", pod: "b" },
      { series: 'jobs_total{queue="default",outcome="failed"}', values: "_x108 1x12", pod: "b" },
    ),
    name: "BuildkiteJobsNotMade does not pause when a new replica's start leaves the window",
    from: 109,
  },
  {
    ...firing(
      "BuildkiteJobsNotMade",
      { series: "process_start_time_seconds", values: "-86400x95 5730x24", pod: "b" },
      { series: 'jobs_total{queue="default",outcome="failed"}', values: "1x95 stale _x13 1x10", pod: "b" },
    ),
    name: "BuildkiteJobsNotMade fires for the first one after a restart, though there was one before it",
  },
  {
    ...firing("BuildkiteJobsNotMade", ...unscraped(110, 4, "b"), {
      ...{ series: 'jobs_total{queue="default",outcome="refused"}', pod: "b" },
      values: "_x114 1x6",
    }),
    name: "BuildkiteJobsNotMade fires for what went wrong while a replica was not scraped",
  },
  {
    ...firing("BuildkiteJobsNotMade", ...unscraped(81, 20), {
      ...{ series: 'jobs_total{queue="default",outcome="refused"}', pod: "b" },
      values: "_x108 1x12",
    }),
    name: "BuildkiteJobsNotMade fires late after a gap longer than its window",
    from: 117,
  },
  {
    ...firing(
      "BuildkiteJobsNotMade",
      // It is tried again each 5 minutes.
      {
        series: 'jobs_total{queue="default",outcome="foreign"}',
        values: "_x60 1x5 2x5 3x5 4x5 5x5 6x5 7x5 8x5 9x5 10x6",
      },
      waitingFor(60),
    ),
    name: "BuildkiteJobsNotMade fires alone while somebody else's Job has the name",
    from: 70,
  },
  {
    ...firing(
      "BuildkiteQuotaFull",
      { series: 'jobs_held{state="quota"}', values: "_x60 12x60", pod: "a" },
      waitingFor(60),
    ),
    from: 70,
  },
  firing("BuildkiteAgentsLost", {
    series: 'given_up_total{queue="default",cause="agent_lost",reported="finished"}',
    values: "_x90 1+1x30",
    pod: "a",
  }),
  firing("BuildkitePodsLeftOver", {
    series: 'canceled_jobs_deleted_total{when="left_over"}',
    values: "20x90 20+1x29",
    pod: "a",
  }),
  firing("BuildkiteWebhookBufferNearlyFull", {
    series: 'jobs_held{state="api_server"}',
    values: "_x110 850x10",
    pod: "a",
  }),
  firing("BuildkiteWebhooksTurnedAway", {
    series: 'webhooks_total{event="job.scheduled",status="503"}',
    values: "_x115 40x5",
    pod: "a",
  }),
  firing("BuildkiteWebhooksRefused", {
    series: 'webhooks_rejected_total{cause="signature_too_old"}',
    values: "_x100 1+2x20",
    pod: "a",
  }),
  firing("BuildkiteWebhooksNotUnderstood", {
    series: 'webhooks_ignored_total{cause="malformed"}',
    values: "_x100 1x20",
    pod: "a",
  }),
  firing("BuildkiteWebhooksNotUnderstood", {
    series: 'webhooks_ignored_total{cause="listed_malformed"}',
    values: "_x100 1+1x20",
    pod: "a",
  }),
];

/** Every scenario; each alert fires in one at least, and in no quiet one. */
export const SCENARIOS: readonly Scenario[] = [...QUIET.map((it) => ({ from: 0, ...it })), ...LOUD];

/** A scenario's series for promtool: what it changes, and all else as when all is well. */
export function inputSeries(
  { changes }: Pick<Scenario, "changes">,
  namespace: string,
  prefix: string,
): { series: string; values: string }[] {
  const values = new Map<string, string>();
  for (const { series, values: text, pod: only } of [...HEALTHY, ...changes]) {
    for (const pod of PODS.filter((it) => only === undefined || it === only)) {
      const [name = "", labels = "}"] = series.split("{");
      const full = name.startsWith("process_") ? name : `${prefix}${name}`;
      values.set(`${full}{namespace="${namespace}",pod="${pod}"${labels === "}" ? "" : ","}${labels}`, text);
    }
  }
  return [...values].map(([series, text]) => ({ series, values: text }));
}
