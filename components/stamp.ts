import { createHash } from "node:crypto";
import {
  ACTIVE_DEADLINE_ANNOTATION,
  AGENT_CONTAINER,
  ATTEMPT_ANNOTATION,
  BUILD_URL_ANNOTATION,
  jobName,
  JOB_UUID,
  MANAGED_BY_LABEL,
  PIPELINE_LABEL,
  PROJECT,
  QUEUE_LABEL,
  TEMPLATE_LABEL,
  TTL_ANNOTATION,
  UUID_PATTERN,
} from "./contract";

/** What `stamp` reads of a core/v1 PodTemplate; whatever else the object holds is kept or ignored, never needed. */
export interface PodTemplateObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly template: {
    readonly metadata?: {
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    /** Passed through untouched: the admission policy compares it with the template's, byte for byte. */
    readonly spec: unknown;
  };
}

/** The Buildkite job that a Kubernetes Job is stamped for. */
export interface BuildkiteJob {
  /** The job's UUID, lower case. */
  readonly uuid: string;
  /** Key of the queue that serves it. */
  readonly queue: string;
  /** Slug of its pipeline. */
  readonly pipeline: string;
  /** Where a person finds the build, where that is known. */
  readonly buildUrl?: string;
}

/** A batch/v1 Job, ready to be posted. */
export interface JobManifest {
  readonly apiVersion: "batch/v1";
  readonly kind: "Job";
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

/**
 * Fails the Job as soon as the agent's container fails. The container is named because a rule without a name also
 * matches sidecars, whose exit codes mean nothing (Kubernetes, pod_failure_policy.go).
 */
export const POD_FAILURE_POLICY = {
  rules: [{ action: "FailJob", onExitCodes: { containerName: AGENT_CONTAINER, operator: "NotIn", values: [0] } }],
} as const;

/**
 * The one definition of what a build's Job is: used by the dispatcher, the tests and a person with kubectl.
 *
 * @param template the PodTemplate as the API server returns it.
 * @param job the Buildkite job.
 * @param attempt 1 for the first Job of this Buildkite job; plus one for each finished Job it replaces.
 * @throws RangeError naming the field when the UUID, the attempt or one of the template's annotations is malformed.
 */
export function stamp(template: PodTemplateObject, job: BuildkiteJob, attempt = 1): JobManifest {
  if (!new RegExp(UUID_PATTERN).test(job.uuid)) {
    throw new RangeError(`job.uuid must be a lower-case UUID, got ${JSON.stringify(job.uuid)}`);
  }
  if (!Number.isInteger(attempt) || attempt < 1) {
    throw new RangeError(`attempt must be an integer of 1 or more, got ${attempt}`);
  }
  const labels = {
    ...template.template.metadata?.labels,
    [MANAGED_BY_LABEL]: PROJECT,
    [TEMPLATE_LABEL]: template.metadata.name,
    [JOB_UUID]: job.uuid,
    [QUEUE_LABEL]: labelValue(job.queue),
    [PIPELINE_LABEL]: labelValue(job.pipeline),
  };
  const annotations = {
    [JOB_UUID]: job.uuid,
    ...(job.buildUrl === undefined ? {} : { [BUILD_URL_ANNOTATION]: job.buildUrl }),
  };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: jobName(job.uuid),
      namespace: template.metadata.namespace,
      labels,
      annotations: { ...annotations, [ATTEMPT_ANNOTATION]: String(attempt) },
    },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 0,
      activeDeadlineSeconds: secondsFrom(template, ACTIVE_DEADLINE_ANNOTATION),
      ttlSecondsAfterFinished: secondsFrom(template, TTL_ANNOTATION),
      podReplacementPolicy: "Failed",
      podFailurePolicy: POD_FAILURE_POLICY,
      template: {
        metadata: { labels, annotations: { ...template.template.metadata?.annotations, ...annotations } },
        spec: template.template.spec,
      },
    },
  };
}

/**
 * A text as a Kubernetes label value: at most 63 characters of letters, digits, `-`, `_` and `.`, alphanumeric at both
 * ends. A text that had to be changed ends in eight hex digits of its SHA-256, so that two texts stay two values.
 */
export function labelValue(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)) {
    return text;
  }
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 8);
  const safe = text.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return `${safe.slice(0, 54)}${safe === "" ? "" : "-"}${hash}`;
}

function secondsFrom(template: PodTemplateObject, annotation: string): number {
  const text = template.metadata.annotations?.[annotation] ?? "";
  if (!/^[1-9][0-9]{0,8}$/.test(text)) {
    throw new RangeError(
      `PodTemplate ${template.metadata.name}: annotation ${annotation} must be a number of seconds, got ${JSON.stringify(text)}`,
    );
  }
  return Number(text);
}
