/**
 * What the dispatcher is told, as one JSON document without secrets. The component writes it, {@link readSettings} reads
 * it; both come from one commit, so that unknown keys are mistakes and refused.
 */
export interface DispatcherSettings {
  /** Namespace of Jobs, pods and PodTemplates. */
  agentsNamespace: string;
  /** At least one. */
  queues: QueueRoute[];
  /** `webhook-only`: a webhook that is lost, or held in memory by a process that is killed, is not found again. */
  mode: "webhook-only";
  limits: DispatcherLimits;
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
}

/** Says which field, which rule, what was found. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

type Fields = Record<string, unknown>;

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const QUEUE_KEY = /^[A-Za-z0-9_-]{1,100}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TAG = /^[^=]+=.*$/s;

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
  const fields = object("settings", document, ["agentsNamespace", "queues", "mode", "limits"]);
  const queues = list("queues", fields["queues"]).map((queue, index) => route(`queues[${index}]`, queue));
  const limits = object("limits", fields["limits"], ["createConcurrency", "bufferSize"]);
  const settings: DispatcherSettings = {
    agentsNamespace: matching("agentsNamespace", fields["agentsNamespace"], DNS_LABEL, "a namespace's name"),
    queues,
    mode: oneOf("mode", fields["mode"], ["webhook-only"]),
    limits: {
      createConcurrency: integer("limits.createConcurrency", limits["createConcurrency"], 1, 256),
      bufferSize: integer("limits.bufferSize", limits["bufferSize"], 1, 100_000),
    },
  };
  refuseContradictions(queues);
  return settings;
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
