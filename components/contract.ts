/**
 * The names that the template, the dispatcher, the admission policies and the node pool must agree on.
 * They are part of the contract: renaming one strands whatever already runs under the old name.
 */

/** Package, Pulumi project and first part of every type token. */
export const PROJECT = "buildkite-scale-to-zero";

/** Label on everything that is stamped; its value is {@link PROJECT}. */
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";

/** Label on Job and pod, and annotation of the same key: the Buildkite job's UUID. */
export const JOB_UUID = "buildkite.com/job-uuid";

/** Label on Job and pod: the queue's key, made label-safe. Policies never select by it: keys reach 100 characters. */
export const QUEUE_LABEL = "buildkite.com/queue";

/** Label on Job and pod: the pipeline's slug, made label-safe. */
export const PIPELINE_LABEL = "buildkite.com/pipeline";

/** Annotation on Job and pod: where a person finds the build. */
export const BUILD_URL_ANNOTATION = "buildkite.com/build-url";

/** Label on Job and pod: the PodTemplate it was stamped from. Policies select by it. */
export const TEMPLATE_LABEL = `${PROJECT}/template`;

/** Label and taint key of the agents' node pool; the value is made of the pool component's name and the stack's. */
export const POOL_LABEL = `${PROJECT}/pool`;

/** Annotation on the Job: 1 for the first, plus one each time a finished Job is replaced. */
export const ATTEMPT_ANNOTATION = `${PROJECT}/attempt`;

/** Annotation on the PodTemplate: the Job's `activeDeadlineSeconds`. */
export const ACTIVE_DEADLINE_ANNOTATION = `${PROJECT}/activeDeadlineSeconds`;

/** Annotation on the PodTemplate: the Job's `ttlSecondsAfterFinished`. */
export const TTL_ANNOTATION = `${PROJECT}/ttlSecondsAfterFinished`;

/** Pod annotation that keeps the cluster autoscaler from evicting a running build. */
export const SAFE_TO_EVICT_ANNOTATION = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/** Name of the container whose exit decides the Job. */
export const AGENT_CONTAINER = "agent";

/** Name of the container that runs dockerd. */
export const DIND_CONTAINER = "dind";

/** A Buildkite job's UUID, as it appears in webhooks; anchored. */
export const UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/** The Job's name, and so the idempotency key: the API server refuses the second Job of one Buildkite job. */
export function jobName(uuid: string): string {
  return `buildkite-${uuid}`;
}

/** The UUID in a name that {@link jobName} made. */
export function jobUuidOf(name: string): string {
  return name.slice(jobName("").length);
}

/** Audience of the service account token that a build's pod presents for its job acquisition token. */
export const JOB_TOKEN_AUDIENCE = PROJECT;

/** Name of the init container that fetches the job acquisition token, in stacks that use them. */
export const JOB_TOKEN_CONTAINER = "job-token";

/** Path that the init container posts to. */
export const JOB_TOKEN_PATH = "/job-token";
