import { ENDPOINT_RULE, isEndpoint } from "../components/buildkite-endpoint";
import { UUID_PATTERN } from "../components/contract";

/**
 * What the dispatcher is told, as one JSON document without secrets. The component writes it, {@link readSettings} reads
 * it; both come from one commit, so that unknown keys are mistakes and refused.
 */
export interface DispatcherSettings {
  /** Namespace of Jobs, pods and PodTemplates. */
  agentsNamespace: string;
  /** At least one. */
  queues: QueueRoute[];
  /**
   * `reconcile`: Buildkite is asked for its scheduled jobs; a webhook only makes it quicker. `webhook-only`: a webhook
   * that is lost, or held in memory by a process that is killed, is not found again.
   */
  mode: "reconcile" | "webhook-only";
  /** With `reconcile`: one for all replicas, 1 to 80 letters, digits, `-` and `_`; what Buildkite knows this stack by. */
  stackKey?: string;
  /** With `reconcile`. */
  buildkite?: BuildkiteSettings;
  limits: DispatcherLimits;
}

/** Where Buildkite is asked, and how often. */
export interface BuildkiteSettings {
  /** `https://agent.buildkite.com/v3`. Plain `http://` only to an IP address, `localhost` or a Service of the cluster. */
  endpoint: string;
  /** From one list of scheduled jobs to the next, 1..60; a fifth more or less each time. */
  intervalSeconds: number;
  /** Build pods fetch a token for their own job here; every queue is then of agent mode `acquire`. Default false. */
  jobAcquisitionTokens?: boolean;
}

/** The settings of a dispatcher that asks Buildkite. */
export interface ReconcileSettings extends BuildkiteSettings {
  stackKey: string;
  inFlight: number;
}

/** A served queue. */
export interface QueueRoute {
  /** The queue's key at Buildkite. */
  key: string;
  /** Whether jobs that name no queue are this queue's. */
  default: boolean;
  /** UUID of the Buildkite cluster; without it any cluster's jobs, and unclustered ones, are taken. */
  clusterId?: string;
  /** The agents' tags as `k=v`, `queue=<key>` among them. */
  tags: string[];
  /** Name of the PodTemplate. */
  template: string;
  /** `acquire`: the pod runs exactly that job; `queue`: the pod is capacity, any job of the queue may run in it. */
  agentMode: "acquire" | "queue";
}

export interface DispatcherLimits {
  /** Jobs being created at one time, 1..256. The component's default is 16. */
  createConcurrency: number;
  /** Webhooks held in memory, being created or waiting, 1..100,000; one more is answered 503. The component's default is 1000. */
  bufferSize: number;
  /** With `reconcile`: live Jobs there may be, 1..100,000; further jobs wait at Buildkite. */
  inFlight?: number;
}

/** Says which field, which rule, what was found. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

type Fields = Record<string, unknown>;

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const QUEUE_KEY = /^[A-Za-z0-9_-]{1,100}$/;
const UUID = new RegExp(UUID_PATTERN);
const TAG = /^[^=]+=.*$/s;
const STACK_KEY = /^[A-Za-z0-9_-]{1,80}$/;

/**
 * Reads the settings.
 *
 * @param text the document.
 * @throws SettingsError on the first field that breaks its rule, naming it.
 */
export function readSettings(text: string): DispatcherSettings {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new SettingsError(`settings: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const known = ["agentsNamespace", "queues", "mode", "stackKey", "buildkite", "limits"];
  const fields = object("settings", document, known);
  const queues = list("queues", fields["queues"]).map((queue, index) => route(`queues[${index}]`, queue));
  const limits = object("limits", fields["limits"], ["createConcurrency", "bufferSize", "inFlight"]);
  const settings: DispatcherSettings = {
    agentsNamespace: matching("agentsNamespace", fields["agentsNamespace"], DNS_LABEL, "a namespace's name"),
    queues,
    mode: oneOf("mode", fields["mode"], ["reconcile", "webhook-only"]),
    limits: {
      createConcurrency: integer("limits.createConcurrency", limits["createConcurrency"], 1, 256),
      bufferSize: integer("limits.bufferSize", limits["bufferSize"], 1, 100_000),
    },
  };
  refuseContradictions(queues);
  const ofReconcile = { stackKey: fields["stackKey"], buildkite: fields["buildkite"] };
  if (settings.mode === "webhook-only") {
    for (const [field, value] of Object.entries({ ...ofReconcile, "limits.inFlight": limits["inFlight"] })) {
      if (value !== undefined) {
        throw new SettingsError(`${field} is for mode "reconcile", but mode is "webhook-only": remove one of them`);
      }
    }
    return settings;
  }
  settings.limits.inFlight = integer("limits.inFlight", limits["inFlight"], 1, 100_000);
  settings.stackKey = matching("stackKey", ofReconcile.stackKey, STACK_KEY, "1 to 80 letters, digits, - and _");
  settings.buildkite = buildkite(ofReconcile.buildkite);
  const capacity = queues.find(({ agentMode }) => agentMode === "queue");
  if (settings.buildkite.jobAcquisitionTokens === true && capacity !== undefined) {
    throw new SettingsError(
      `buildkite.jobAcquisitionTokens gives a token for one job, but queue ${show(capacity.key)} has agentMode "queue"`,
    );
  }
  return settings;
}

/** What reconciling needs; `undefined` for `webhook-only`. @throws SettingsError when a part of it is missing. */
export function reconcileSettings(settings: DispatcherSettings): ReconcileSettings | undefined {
  if (settings.mode === "webhook-only") {
    return undefined;
  }
  const { stackKey, buildkite: fields, limits } = settings;
  if (stackKey === undefined || fields === undefined || limits.inFlight === undefined) {
    throw new SettingsError('mode "reconcile" needs stackKey, buildkite and limits.inFlight');
  }
  return { ...fields, stackKey, inFlight: limits.inFlight };
}

function buildkite(value: unknown): BuildkiteSettings {
  const fields = object("buildkite", value, ["endpoint", "intervalSeconds", "jobAcquisitionTokens"]);
  const endpoint = fields["endpoint"];
  if (typeof endpoint !== "string" || !isEndpoint(endpoint)) {
    throw new SettingsError(`buildkite.endpoint must be ${ENDPOINT_RULE}, got ${show(endpoint)}`);
  }
  const tokens = fields["jobAcquisitionTokens"] ?? false;
  if (typeof tokens !== "boolean") {
    throw new SettingsError(`buildkite.jobAcquisitionTokens must be true or false, got ${show(tokens)}`);
  }
  const intervalSeconds = integer("buildkite.intervalSeconds", fields["intervalSeconds"], 1, 60);
  return { endpoint, intervalSeconds, ...(tokens ? { jobAcquisitionTokens: true } : {}) };
}

function route(field: string, value: unknown): QueueRoute {
  const fields = object(field, value, ["key", "default", "clusterId", "tags", "template", "agentMode"]);
  const key = matching(`${field}.key`, fields["key"], QUEUE_KEY, "1 to 100 letters, digits, - and _");
  const tags = list(`${field}.tags`, fields["tags"]).map((tag, index) =>
    matching(`${field}.tags[${index}]`, tag, TAG, "k=v"),
  );
  if (!tags.includes(`queue=${key}`)) {
    throw new SettingsError(`${field}.tags must contain ${JSON.stringify(`queue=${key}`)}, got ${show(tags)}: add it`);
  }
  if (typeof fields["default"] !== "boolean") {
    throw new SettingsError(`${field}.default must be true or false, got ${show(fields["default"])}`);
  }
  const clusterId = fields["clusterId"];
  return {
    key,
    default: fields["default"],
    ...(clusterId === undefined
      ? {}
      : { clusterId: matching(`${field}.clusterId`, clusterId, UUID, "a lower-case UUID") }),
    tags,
    template: matching(`${field}.template`, fields["template"], DNS_SUBDOMAIN, "a PodTemplate's name"),
    agentMode: oneOf(`${field}.agentMode`, fields["agentMode"], ["acquire", "queue"]),
  };
}

/** Two queues that could never be told apart are a mistake in the configuration, not a choice to make at run time. */
function refuseContradictions(queues: QueueRoute[]): void {
  const keys = new Set<string>();
  const defaults = new Set<string>();
  queues.forEach((queue, index) => {
    const cluster = queue.clusterId ?? "";
    if (keys.has(`${cluster}/${queue.key}`)) {
      throw new SettingsError(`queues[${index}].key: ${show(queue.key)} is there twice for one cluster: remove one`);
    }
    if (queue.default && defaults.has(cluster)) {
      throw new SettingsError(
        `queues[${index}].default: a cluster has one default queue: set only one of them to true`,
      );
    }
    keys.add(`${cluster}/${queue.key}`);
    if (queue.default) {
      defaults.add(cluster);
    }
  });
}

function object(field: string, value: unknown, known: readonly string[]): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SettingsError(`${field} must be an object, got ${show(value)}`);
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new SettingsError(`${field}: unknown key ${show(unknown)}; known are ${known.join(", ")}`);
  }
  return value as Fields;
}

function list(field: string, value: unknown): unknown[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new SettingsError(`${field} must be a list with at least one entry, got ${show(value)}`);
  }
  return value;
}

function matching(field: string, value: unknown, pattern: RegExp, rule: string): string {
  if (typeof value !== "string" || !pattern.test(value)) {
    throw new SettingsError(`${field} must be ${rule}, got ${show(value)}`);
  }
  return value;
}

function oneOf<T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new SettingsError(
      `${field} must be ${allowed.map((one) => JSON.stringify(one)).join(" or ")}, got ${show(value)}`,
    );
  }
  return found;
}

function integer(field: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw new SettingsError(`${field} must be an integer from ${least} to ${most}, got ${show(value)}`);
  }
  return value;
}

/** A value as it stood in the document, short enough for one log line. */
function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value).slice(0, 200);
}
