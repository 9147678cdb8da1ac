import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { compare } from "../provider-protocol/detailed-diff";
import { isUnknown, plainProperties, type Properties, type PropertyValue } from "../provider-protocol/property-values";
import type { CheckResult, DiffResult } from "../provider-protocol/provider";
import { activeContext } from "./kubeconfig";

/** The provider's arguments that this double models. */
export interface ProviderConfig {
  /** YAML or JSON. */
  kubeconfig: string;
  context?: string;
  cluster?: string;
  namespace?: string;
  enableConfigMapMutable: boolean;
  enableSecretMutable: boolean;
}

// Accepted and without effect: they tune the client, or are what this double always does.
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  "version",
  "clusterIdentifier",
  "kubeClientSettings",
  "helmReleaseSettings",
  "suppressDeprecationWarnings",
  "suppressHelmHookWarnings",
]);
const MODELLED: ReadonlySet<string> = new Set([
  "kubeconfig",
  "context",
  "cluster",
  "namespace",
  "enableConfigMapMutable",
  "enableSecretMutable",
]);

/** Refuses what would silently behave otherwise than the real provider, and a provider that takes whatever is around. */
export function checkProviderConfig(news: Properties): CheckResult {
  const failures: CheckResult["failures"] = [];
  for (const [key, value] of Object.entries(news)) {
    const off = value === null || value === "" || value === "false" || value === false;
    const always = key === "enableServerSideApply" && (value === "true" || value === true);
    if (!MODELLED.has(key) && !WITHOUT_EFFECT.has(key) && !off && !always) {
      failures.push({ property: key, reason: `the kubernetes double does not model ${key}` });
    }
  }
  if ((news["kubeconfig"] ?? "") === "") {
    const reason = "must be set: without it the real provider uses the ambient context, whichever cluster that is";
    failures.push({ property: "kubeconfig", reason });
  }
  return { inputs: news, failures };
}

/** Arguments that are no strings arrive JSON-encoded. */
export function readProviderConfig(config: Properties): ProviderConfig {
  const text = (key: string) => {
    const value = config[key];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const kubeconfig = config["kubeconfig"];
  return {
    kubeconfig: typeof kubeconfig === "string" ? contentsOf(kubeconfig) : JSON.stringify(kubeconfig ?? {}),
    context: text("context"),
    cluster: text("cluster"),
    namespace: text("namespace"),
    enableConfigMapMutable: isTrue(config["enableConfigMapMutable"]),
    enableSecretMutable: isTrue(config["enableSecretMutable"]),
  };
}

/** The argument may also be the path of a kubeconfig. */
function contentsOf(kubeconfig: string): string {
  // What has lines or braces is no path, and may be too long for one.
  const isPath = !/[\n{]/.test(kubeconfig) && existsSync(kubeconfig);
  return isPath ? readFileSync(kubeconfig, "utf8") : kubeconfig;
}

/**
 * Whether the provider still talks to the same cluster; if not, every object is replaced. With `clusterIdentifier` set
 * and unchanged it does, whatever the kubeconfig says. Adding or removing the identifier alone replaces nothing.
 */
export function diffProviderConfig(oldInputs: Properties, newInputs: Properties): DiffResult {
  const [olds, news] = [plainProperties(oldInputs), plainProperties(newInputs)];
  const differences = compare(olds, news);
  const [before, now] = [olds["clusterIdentifier"], news["clusterIdentifier"]];
  return { differences, replaces: replacing(olds, news, before, now), deleteBeforeReplace: false };
}

function replacing(
  olds: Properties,
  news: Properties,
  before: PropertyValue | undefined,
  now: PropertyValue | undefined,
): string[] {
  if (before !== undefined && now !== undefined) {
    return before === now ? [] : ["clusterIdentifier"];
  }
  const keys = ["kubeconfig", "context", "cluster"];
  const unknown = keys.filter((key) => isUnknown(news[key]));
  if (unknown.length > 0) {
    return unknown;
  }
  const moved = !isDeepStrictEqual(activeCluster(olds), activeCluster(news));
  return moved ? keys.filter((key) => !isDeepStrictEqual(olds[key], news[key])) : [];
}

/** The cluster entry in use: all that can be told from a kubeconfig about which cluster it is. */
function activeCluster(config: Properties): unknown {
  try {
    const settings = readProviderConfig(config);
    return activeContext(settings.kubeconfig, settings).cluster;
  } catch {
    return undefined;
  }
}

function isTrue(value: PropertyValue | undefined): boolean {
  return value === true || value === "true";
}
