import { parseArgs } from "node:util";

/** What a person may set on the command line. */
export interface LabOptions {
  readonly builds: number;
  readonly maxNodes: number;
  readonly seed: number;
  readonly keep: boolean;
  /** Real kubelets, containers, dockerd and agents instead of nodes and builds that are played. */
  readonly realNode: boolean;
  readonly kubernetesPlugin: "double" | "real";
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

export const HELP = `npm run lab -- [options]

Runs the whole system on this machine: a real Kubernetes control plane, the real pulumi commands on this project, the
real dispatcher; stand-ins for Buildkite, Google Cloud and the machines. Builds are scheduled, nodes come and go.
Needs Linux. Nothing is left behind; the results are in out/lab.json and out/lab.html.

  --builds N               how many builds to schedule, 1 to 5000 (default 200; with --real-node 6)
  --max-nodes N            maxNodes of the stack, 2 to 100 (default 10); it is raised by 2 in the middle
  --seed N                 seed of build lengths, queues and ids (default 1)
  --keep                   after the builds leave everything running until Ctrl-C, and say how to send one by hand
  --real-node              the dispatcher in its container on a real node, real builds with the real agent and a real
                           dockerd on another one, which comes when a pod waits for it. Needs Linux, root and apt; all of it
                           runs in namespaces of its own. The results are in out/real-node.json
  --kubernetes-plugin P    double (default): the lab's own stand-in for Pulumi's Kubernetes provider;
                           real: the published one, which pulumi downloads. Never tried by us
  --help                   this text
`;

/**
 * Reads the command line.
 *
 * @returns "help" when that was asked for.
 * @throws UsageError
 */
export function readOptions(argv: readonly string[]): LabOptions | "help" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        builds: { type: "string" },
        "max-nodes": { type: "string", default: "10" },
        seed: { type: "string", default: "1" },
        keep: { type: "boolean", default: false },
        "real-node": { type: "boolean", default: false },
        "kubernetes-plugin": { type: "string", default: "double" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    return "help";
  }
  const plugin = values["kubernetes-plugin"];
  if (plugin !== "double" && plugin !== "real") {
    throw new UsageError(`--kubernetes-plugin must be double or real, got ${JSON.stringify(plugin)}`);
  }
  const realNode = values["real-node"];
  if (realNode && values.keep) {
    throw new UsageError("--keep cannot be used with --real-node: nothing outside its namespaces could reach it");
  }
  return {
    builds: whole("--builds", values.builds ?? (realNode ? "6" : "200"), 1, 5_000),
    maxNodes: whole("--max-nodes", values["max-nodes"], 2, 100),
    seed: whole("--seed", values.seed, 0, 2 ** 31),
    keep: values.keep,
    realNode,
    kubernetesPlugin: plugin,
  };
}

function whole(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < min || value > max) {
    throw new UsageError(`${option} must be a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
  }
  return value;
}
