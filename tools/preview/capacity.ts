import { elementsOf, type Fields, fieldsAt, fieldsOf, textOf } from "../../policy/fields";
import { podOf } from "../../policy/pods";
import type { Preview, PreviewStep } from "./preview";
import { nodeHour } from "./prices";
import { LATER, shown } from "./shown";

/** One figure of what a stack may use, before and after. */
export interface CapacityRow {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

/** What changes in capacity, and always what the pools cost at their maximum. */
export function capacityOf({ steps }: Preview): CapacityRow[] {
  return steps.flatMap((step) => {
    const [before, after] = [figuresOf(step, step.before), figuresOf(step, step.after)];
    const names = [...new Set([...after.keys(), ...before.keys()])];
    return names
      .map((name) => ({
        what: `${step.name}: ${name}`,
        before: before.get(name) ?? "-",
        after: after.get(name) ?? "-",
      }))
      .filter((row) => row.before !== row.after || row.what.endsWith(COST));
  });
}

const COST = "cost per hour at the maximum";

function figuresOf(step: PreviewStep, inputs: Fields | undefined): Map<string, string> {
  if (inputs === undefined) {
    return new Map();
  }
  switch (step.type) {
    case "gcp:container/nodePool:NodePool":
      return poolFigures(inputs);
    case "kubernetes:core/v1:ResourceQuota":
      return new Map(
        Object.entries(fieldsAt(inputs, "spec", "hard")).map(([key, value]) => [`quota ${key}`, shown(value)]),
      );
    case "kubernetes:apps/v1:Deployment":
      return new Map([["replicas", shown(fieldsAt(inputs, "spec")["replicas"])]]);
    case "kubernetes:core/v1:ConfigMap":
      return jobLimit(inputs);
    case "kubernetes:core/v1:PodTemplate":
      return podFigures(step, inputs);
    default:
      return new Map();
  }
}

function poolFigures(pool: Fields): Map<string, string> {
  const [autoscaling, node] = [fieldsAt(pool, "autoscaling"), fieldsAt(pool, "nodeConfig")];
  const machineType = textOf(node["machineType"]) ?? "e2-medium";
  const spot = node["spot"] === true;
  const most = autoscaling["totalMaxNodeCount"];
  return new Map([
    ["most nodes", shown(most ?? autoscaling["maxNodeCount"])],
    ["machine type", shown(machineType)],
    ["Spot", shown(spot)],
    ["disk of a node", `${shown(node["diskSizeGb"])} GB ${shown(node["diskType"])}`],
    [COST, costOf(most, machineType, spot)],
  ]);
}

function costOf(most: unknown, machineType: string, spot: boolean): string {
  if (typeof most !== "number") {
    return "unknown: no total maximum";
  }
  const price = nodeHour(machineType, spot);
  return price === undefined
    ? `unknown: no price for ${spot ? "Spot " : ""}${shown(machineType)} in the table`
    : `about $${(price * most).toFixed(2)} (${most} × $${price.toFixed(3)})`;
}

/** The dispatcher's own limit stands in its settings. */
function jobLimit(inputs: Fields): Map<string, string> {
  const settings = textOf(fieldsAt(inputs, "data")["settings.json"]);
  if (settings === undefined) {
    return new Map();
  }
  const limit = /"inFlight":\s*(\d+)/.exec(settings)?.[1];
  return new Map([["jobs that may run or wait for a node", limit ?? LATER]]);
}

function podFigures(step: PreviewStep, inputs: Fields): Map<string, string> {
  const pod = podOf({ ...step, props: inputs });
  const volumes = elementsOf(pod?.spec["volumes"]).flatMap((element) => {
    const volume = fieldsOf(element);
    const limit = fieldsAt(volume, "emptyDir")["sizeLimit"];
    return limit === undefined ? [] : [`${shown(volume["name"])} ${shown(limit)}`];
  });
  return new Map([
    ...(pod?.containers ?? []).flatMap(({ name, fields }): [string, string][] =>
      (["requests", "limits"] as const).map((kind) => [
        `${name}'s ${kind}`,
        listed(fieldsAt(fields, "resources", kind)),
      ]),
    ),
    ["deadline in seconds", shown(pod?.spec["activeDeadlineSeconds"])],
    ["largest volumes", volumes.join(", ")],
  ]);
}

function listed(fields: Fields): string {
  const entries = Object.entries(fields).map(([key, value]) => `${key} ${shown(value)}`);
  return entries.length === 0 ? "none" : entries.sort().join(", ");
}
