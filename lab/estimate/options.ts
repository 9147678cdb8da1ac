import { parseArgs } from "node:util";
import { MAX_JOBS_PER_NODE, PODS_PER_NODE, SYSTEM_PODS_PER_NODE } from "../../components/pods-per-node";
import type { NodePrice } from "../../tools/preview/prices";
import { MACHINE_TYPES, PROFILES, type AutoscalingProfile } from "../autoscaler";
import { resourcesFrom, type Resources } from "../autoscaler/quantity";
import { CLUSTER_FEE_PER_HOUR, knownPrice } from "./prices";
import type { Assumptions } from "./scenario";

/** What a person may set on the command line. */
export interface EstimateOptions {
  /** `-` for standard input. */
  readonly file: string;
  readonly maxNodes: readonly number[];
  readonly machineTypes: readonly string[];
  /** 0 to 1. */
  readonly spotShares: readonly number[];
  readonly profiles: readonly AutoscalingProfile[];
  /** Only these queues' jobs; all when empty. */
  readonly queues: readonly string[];
  readonly prices: ReadonlyMap<string, NodePrice>;
  readonly assumptions: Assumptions;
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

/** As `stack/queue-template.ts` has it for a queue that says nothing: agent and dind together. */
const DEFAULT_REQUESTS = "cpu=2,memory=7Gi,ephemeral-storage=20Gi";
const BOOT_SECONDS = PROFILES.BALANCED.bootTime / 1000;

export const HELP = `npm run estimate -- [options] builds.json

What if the builds of builds.json had run on a pool that scales to zero? For each pool of a table: how long builds would
have waited and what a month would cost. The file is an export of Buildkite's REST API (an array of builds or of jobs, or
JSON lines; - for standard input): docs/estimate.md says how to get one. Writes out/estimate.html (the picture) and
out/estimate.json.

The table; lists are separated by commas:
  --max-nodes N,...            most nodes of the pool, 1 to 1000 (default 2,4,8,16)
  --machine-type TYPE,...      default e2-standard-4
  --spot-share S,...           share of the node-hours at Spot's price, 0 to 1 (default 0,1)
  --profile P,...              balanced, optimize-utilization (default both)

The builds:
  --queue NAME                 only this queue's jobs; may be repeated (default all). The days are still the whole file's
  --requests [QUEUE:]cpu=C,memory=M[,ephemeral-storage=S]
                               what a build's pod requests, all containers together; may be repeated for single queues
                               (default ${DEFAULT_REQUESTS})
  --jobs-per-node N            instead of --requests: so many builds to a node, 1 to ${MAX_JOBS_PER_NODE}: of a node's ${PODS_PER_NODE} pods
                               ${SYSTEM_PODS_PER_NODE} are left to GKE's own, whatever builds request
  --history-days D             days that the file covers, not fewer than its jobs lie apart (default: from its first job to
                               its last)

Assumptions (docs/estimate.md has the sources):
  --node-start-seconds S       from the decision to a ready node (default ${BOOT_SECONDS})
  --image-pull-seconds S       more, for a build on a new node (default 20)
  --dispatch-seconds S         from a runnable job to its pod (default 1)
  --pod-start-seconds S        from a pod on a node to its agent at work (default 7)
  --price-per-hour [TYPE=]USD  a node's price; may be repeated for single types
  --spot-price-per-hour [TYPE=]USD
  --cluster-fee-per-hour USD   default ${CLUSTER_FEE_PER_HOUR.toFixed(2)}
  --disk-gib N                 boot disk, 10 to 65536 (default 100)
  --month-days D               days of a month (default 30)
  --help                       this text

Exit codes: 0 estimated, 1 the file is not what it must be, 2 wrong arguments.
`;

const NAMES: Readonly<Record<string, AutoscalingProfile>> = {
  balanced: "BALANCED",
  "optimize-utilization": "OPTIMIZE_UTILIZATION",
};

/**
 * Reads the command line.
 *
 * @returns "help" when that was asked for.
 * @throws UsageError
 */
export function readOptions(argv: readonly string[]): EstimateOptions | "help" {
  const { values, positionals } = parsed(argv);
  if (values.help) {
    return "help";
  }
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) {
    throw new UsageError(`one file is needed, got ${file === undefined ? "none" : positionals.join(" ")}`);
  }
  const machineTypes = list("--machine-type", values["machine-type"], (type) => {
    if (!MACHINE_TYPES.has(type)) {
      throw new UsageError(
        `--machine-type must be one of ${[...MACHINE_TYPES.keys()].join(", ")}, got ${JSON.stringify(type)}`,
      );
    }
    return type;
  });
  const jobsPerNode = values["jobs-per-node"];
  if (jobsPerNode !== undefined && values.requests.length > 0) {
    throw new UsageError("--jobs-per-node and --requests cannot be used together: keep one of them");
  }
  const days = values["history-days"];
  return {
    file,
    machineTypes,
    maxNodes: list("--max-nodes", values["max-nodes"], (text) => integer("--max-nodes", text, 1, 1000)),
    spotShares: list("--spot-share", values["spot-share"], (text) => number("--spot-share", text, 0, 1)),
    profiles: list("--profile", values.profile, (text) => {
      const profile = NAMES[text];
      if (profile === undefined) {
        throw new UsageError(`--profile must be one of ${Object.keys(NAMES).join(", ")}, got ${JSON.stringify(text)}`);
      }
      return profile;
    }),
    queues: values.queue,
    prices: pricesOf(machineTypes, values["price-per-hour"], values["spot-price-per-hour"]),
    assumptions: {
      nodeStartSeconds: number("--node-start-seconds", values["node-start-seconds"], 0, 800),
      imagePullSeconds: number("--image-pull-seconds", values["image-pull-seconds"], 0, 3600),
      podStartSeconds: number("--pod-start-seconds", values["pod-start-seconds"], 0, 3600),
      dispatchSeconds: number("--dispatch-seconds", values["dispatch-seconds"], 0, 3600),
      diskGib: integer("--disk-gib", values["disk-gib"], 10, 65_536),
      monthDays: number("--month-days", values["month-days"], 1, 366),
      clusterFeePerHour: number("--cluster-fee-per-hour", values["cluster-fee-per-hour"], 0, 1000),
      historyDays: days === undefined ? undefined : number("--history-days", days, 0.01, 3660),
      jobsPerNode:
        jobsPerNode === undefined ? undefined : integer("--jobs-per-node", jobsPerNode, 1, MAX_JOBS_PER_NODE),
      requests: requestsOf(values.requests),
    },
  };
}

function parsed(argv: readonly string[]) {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const repeated = { type: "string", multiple: true, default: [] as string[] } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        "max-nodes": text("2,4,8,16"),
        "machine-type": text("e2-standard-4"),
        "spot-share": text("0,1"),
        profile: text("balanced,optimize-utilization"),
        queue: repeated,
        requests: repeated,
        "jobs-per-node": { type: "string" },
        "history-days": { type: "string" },
        "node-start-seconds": text(String(BOOT_SECONDS)),
        "image-pull-seconds": text("20"),
        "dispatch-seconds": text("1"),
        "pod-start-seconds": text("7"),
        "price-per-hour": repeated,
        "spot-price-per-hour": repeated,
        "cluster-fee-per-hour": text(String(CLUSTER_FEE_PER_HOUR)),
        "disk-gib": text("100"),
        "month-days": text("30"),
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function list<T>(name: string, text: string, read: (item: string) => T): T[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.some((item) => item === "")) {
    throw new UsageError(`${name} must be values separated by commas, got ${JSON.stringify(text)}`);
  }
  return [...new Set(items.map(read))];
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value < least || value > most) {
    throw new UsageError(`${name} must be a number from ${least} to ${most}, got ${JSON.stringify(text)}`);
  }
  return value;
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`${name} must be an integer from ${least} to ${most}, got ${JSON.stringify(text)}`);
  }
  return value;
}

function requestsOf(texts: readonly string[]): Map<string, Resources> {
  const found = new Map<string, Resources>();
  for (const text of [DEFAULT_REQUESTS, ...texts]) {
    const [, queue = "", pairs = ""] = /^(?:([^:=]+):)?(.+)$/.exec(text) ?? [];
    const map = Object.fromEntries(pairs.split(",").map((pair) => pair.split("=", 2) as [string, string | undefined]));
    const unknown = Object.keys(map).filter((key) => !["cpu", "memory", "ephemeral-storage"].includes(key));
    const rule = `--requests must be like docker:cpu=2,memory=7Gi,ephemeral-storage=20Gi, got ${JSON.stringify(text)}`;
    if (unknown.length > 0 || map["cpu"] === undefined || map["memory"] === undefined) {
      throw new UsageError(rule);
    }
    try {
      found.set(queue, resourcesFrom(map as Record<string, string>));
    } catch (error) {
      throw new UsageError(`${rule}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return found;
}

function pricesOf(
  types: readonly string[],
  onDemand: readonly string[],
  spot: readonly string[],
): Map<string, NodePrice> {
  const prices = new Map(types.map((type) => [type, knownPrice(type)]));
  const override = (name: string, texts: readonly string[], field: keyof NodePrice): void => {
    for (const text of texts) {
      const [, type, amount = ""] = /^(?:([^=]*)=)?(.*)$/.exec(text) ?? [];
      if (type !== undefined && !prices.has(type)) {
        throw new UsageError(
          `${name} must be for one of --machine-type (${types.join(", ")}), got ${JSON.stringify(text)}`,
        );
      }
      const value = number(name, amount, 0, 1000);
      for (const one of type === undefined ? types : [type]) {
        const before = prices.get(one) ?? knownPrice(one);
        prices.set(one, { ...before, [field]: value });
      }
    }
  };
  override("--price-per-hour", onDemand, "onDemand");
  override("--spot-price-per-hour", spot, "spot");
  return prices;
}
