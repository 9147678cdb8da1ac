import type { FakeJob } from "./job";

/** Events that the fake sends. */
export type WebhookEvent = "job.scheduled" | "job.started" | "job.finished";

/** Values put into bodies where real ones can hold secrets, so that whoever logs a body is found out by a search. */
export interface WebhookMarkers {
  /** In `build.env`, as people put tokens there. */
  readonly buildEnv: string;
  /** In `pipeline.provider.webhook_url`, whose last part lets anybody trigger builds. */
  readonly inboundUrl: string;
}

/** What a body tells of a job. */
export type WebhookJob = Omit<FakeJob, "priority" | "history" | "notifications"> & { readonly priority?: number };

/** Who the fake is. */
export interface FakeOrganization {
  readonly slug: string;
  readonly clusterId: string;
  /** By queue key. */
  readonly queueIds: ReadonlyMap<string, string>;
}

const PERSON = "3d3c3bf0-7d58-4afe-8fe7-b3017d5504de";
const API = "https://api.buildkite.com/v2";

/**
 * A webhook's body in the documented shape (job, build and pipeline as in the REST API). Its field set is the one of
 * the documentation plus one captured payload of 2020; newer fields of real deliveries may be missing.
 */
export function webhookBody(
  event: WebhookEvent,
  job: WebhookJob,
  organization: FakeOrganization,
  markers: WebhookMarkers,
): Record<string, unknown> {
  const pipelineApi = `${API}/organizations/${organization.slug}/pipelines/${job.pipeline}`;
  const web = `https://buildkite.com/${organization.slug}/${job.pipeline}`;
  const build = `${pipelineApi}/builds/${job.buildNumber}`;
  const clusterApi = `${API}/organizations/${organization.slug}/clusters/${organization.clusterId}`;
  const queueId = organization.queueIds.get(job.queue) ?? null;
  const person = {
    id: PERSON,
    graphql_id: graphqlId("User", PERSON),
    name: "Keith Pitt",
    email: "keith@example.com",
    avatar_url: "https://www.gravatar.com/avatar/e14f55d3f939977cecbf51b64ff6f861",
    created_at: "2015-05-09T21:05:59.874Z",
  };
  return {
    event,
    job: {
      id: job.id,
      graphql_id: graphqlId("Job", job.id),
      type: "script",
      name: ":docker: Test",
      step_key: "test",
      group_key: null,
      step: { id: job.buildId, signature: null },
      priority: { number: job.priority ?? 0 },
      agent_query_rules: job.agentQueryRules,
      state: event === "job.finished" ? (job.result?.exitStatus === "0" ? "passed" : "failed") : job.state,
      build_url: build,
      web_url: `${web}/builds/${job.buildNumber}#${job.id}`,
      log_url: `${build}/jobs/${job.id}/log`,
      raw_log_url: `${build}/jobs/${job.id}/log.txt`,
      artifacts_url: `${build}/jobs/${job.id}/artifacts`,
      command: "docker compose run --rm app npm test",
      soft_failed: false,
      exit_status: job.result === undefined ? null : Number(job.result.exitStatus),
      signal: job.result?.signal ?? null,
      signal_reason: job.result?.signalReason ?? null,
      broken_reason: null,
      artifact_paths: "",
      agent: job.agentId === undefined ? null : { id: job.agentId, name: job.agentName },
      created_at: time(job.scheduledAt),
      scheduled_at: time(job.scheduledAt),
      runnable_at: time(job.runnableAt ?? job.scheduledAt),
      concurrency_wait_time_ms: null,
      started_at: time(job.startedAt),
      finished_at: time(job.finishedAt),
      expired_at: null,
      retried: false,
      retried_in_job_id: null,
      retries_count: null,
      retry_source: null,
      retry_type: null,
      parallel_group_index: null,
      parallel_group_total: null,
      matrix: null,
      cluster_id: organization.clusterId,
      cluster_url: clusterApi,
      cluster_queue_id: queueId,
      cluster_queue_url: queueId === null ? null : `${clusterApi}/queues/${queueId}`,
    },
    build: {
      id: job.buildId,
      graphql_id: graphqlId("Build", job.buildId),
      url: build,
      web_url: `${web}/builds/${job.buildNumber}`,
      number: job.buildNumber,
      state: event === "job.finished" ? "finished" : "running",
      cancel_reason: null,
      blocked: false,
      blocked_state: "",
      message: "Add login form",
      commit: "abcd0b72a1e580e90712cdd9eb26d3fb41cd09c8",
      branch: "main",
      tag: null,
      env: { DEPLOY_ENV: "staging", DEPLOY_TOKEN: markers.buildEnv },
      source: "webhook",
      author: { username: "keith", name: person.name, email: person.email },
      creator: person,
      created_at: time(job.scheduledAt),
      scheduled_at: time(job.scheduledAt),
      started_at: time(job.scheduledAt),
      finished_at: time(job.finishedAt),
      meta_data: { "buildkite:git:commit": "commit abcd0b72a1e580e90712cdd9eb26d3fb41cd09c8\n..." },
      pull_request: { id: "87", base: "main", repository: "git@git.example:acme-inc/web.git" },
      merge_queue: null,
      rebuilt_from: null,
      cluster_id: organization.clusterId,
    },
    pipeline: pipelineBody(job, organization, markers, pipelineApi, web, person),
    sender: { id: PERSON, name: person.name },
  };
}

function pipelineBody(
  job: WebhookJob,
  organization: FakeOrganization,
  markers: WebhookMarkers,
  api: string,
  web: string,
  person: unknown,
): Record<string, unknown> {
  const id = "849411f9-9e6d-4739-a0d8-e247088e9b52";
  return {
    id,
    graphql_id: graphqlId("Pipeline", id),
    url: api,
    web_url: web,
    name: job.pipeline,
    description: `The ${job.pipeline} pipeline`,
    slug: job.pipeline,
    repository: "git@git.example:acme-inc/web.git",
    cluster_id: organization.clusterId,
    branch_configuration: null,
    default_branch: "main",
    skip_queued_branch_builds: false,
    skip_queued_branch_builds_filter: null,
    cancel_running_branch_builds: false,
    cancel_running_branch_builds_filter: null,
    allow_rebuilds: true,
    provider: {
      id: "github",
      settings: {
        trigger_mode: "code",
        build_pull_requests: true,
        build_pull_request_forks: false,
        build_tags: false,
        publish_commit_status: true,
        repository: "acme-inc/web",
      },
      webhook_url: `https://webhook.buildkite.com/deliver/${markers.inboundUrl}`,
    },
    builds_url: `${api}/builds`,
    badge_url: "https://badge.buildkite.com/58b3da999635d0ad2daae5f784e56d264343eb02526f129bfb.svg",
    created_by: person,
    created_at: "2013-09-03T13:24:38.651Z",
    archived_at: null,
    env: {},
    scheduled_builds_count: 0,
    running_builds_count: 1,
    scheduled_jobs_count: 2,
    running_jobs_count: 0,
    waiting_jobs_count: 0,
    visibility: "private",
    steps: [
      {
        type: "script",
        name: ":pipeline: Upload",
        command: "buildkite-agent pipeline upload",
        artifact_paths: null,
        branch_configuration: null,
        env: {},
        timeout_in_minutes: null,
        agent_query_rules: job.agentQueryRules,
        concurrency: null,
        parallelism: null,
      },
    ],
  };
}

function time(epochMs: number | undefined): string | null {
  return epochMs === undefined ? null : new Date(epochMs).toISOString();
}

function graphqlId(type: string, id: string): string {
  return Buffer.from(`${type}---${id}`).toString("base64");
}
