import { elementsOf, type Fields, fieldsAt, fieldsOf, has, textOf } from "../fields";
import { nodePoolsOf, type ReviewedNodePool } from "../node-pools";
import { type ReviewedResource, type Rule, titleOf } from "../rule";

/** Nothing but builds lands on the builds' nodes. */
export const agentsPoolTaint: Rule = {
  name: "agents-pool-taint",
  description: "A node pool for build agents is tainted.",
  severity: "high",
  faultsOf(resource) {
    return nodePoolsOf(resource).flatMap((reviewed) =>
      // Names come second: at preview they are more often unknown than taints.
      !keepsOthersAway(reviewed.pool) && isForAgents(resource, reviewed)
        ? [
            `${titleOf(resource)}: ${reviewed.path}nodeConfig.taints has no taint of effect NO_SCHEDULE or NO_EXECUTE. Whatever else ` +
              "is scheduled there keeps the node from going away, and is one privileged container away from every build: dind " +
              "is root on its node; on shared nodes consolidation evicted running builds (agent-stack-k8s #235, ARC #1581). " +
              'Fix: taints: [{key: "buildkite", value: "agents", effect: "NO_SCHEDULE"}] and the toleration on the build pods.',
          ]
        : [],
    );
  },
};

/** By its component, its names or its labels. The cluster's system pool, where the dispatcher runs, is none. */
function isForAgents({ urn, name }: ReviewedResource, { inline, pool }: ReviewedNodePool): boolean {
  // A cluster's own name says nothing about its pools.
  const logicalName = inline ? [] : [name];
  if (urn.includes(":AgentNodePool$") || logicalName.some(namesAgents)) {
    return true;
  }
  const names = [...logicalName, ...["name", "namePrefix"].flatMap((field) => textIn(pool, field))];
  if (names.some(namesAgents)) {
    return true;
  }
  const labels = Object.entries(fieldsAt(pool, "nodeConfig", "labels")).map(
    ([key, value]) => `${key}=${textOf(value) ?? ""}`,
  );
  return [...names, ...labels].some(namesBuildkite) && !names.some(namesOthers) && !labels.some(saysOthers);
}

function namesBuildkite(text: string): boolean {
  return /buildkite/i.test(text);
}

function namesAgents(name: string): boolean {
  return namesBuildkite(name) && wordsOf(name).some((word) => /^agents?$/.test(word));
}

/** A queue may well be called default, and its pool after it: only `default-pool` is GKE's own. */
function namesOthers(name: string): boolean {
  return /\b(system|dispatcher|default-pool)\b/.test(wordsOf(name).join("-"));
}

/** Labels speak of teams, environments and queues, too: only what says the pool's purpose counts. */
function saysOthers(label: string): boolean {
  return /(^|\/)(node[-_]?)?(pool|role)=(buildkite-)?(system|dispatcher)$/i.test(label);
}

/** `buildkite-system`, `buildkite_system` and `buildkiteSystem` are two words. */
function wordsOf(text: string): string[] {
  return text
    .replaceAll(/([a-z])([A-Z])/g, "$1-$2")
    .toLowerCase()
    .split(/[^a-z]+/);
}

function textIn(fields: Fields, name: string): string[] {
  const text = has(fields, name) ? textOf(fields[name]) : undefined;
  return text === undefined ? [] : [text];
}

function keepsOthersAway(pool: Fields): boolean {
  return elementsOf(fieldsAt(pool, "nodeConfig")["taints"]).some((taint) =>
    ["NO_SCHEDULE", "NO_EXECUTE"].includes(textOf(fieldsOf(taint)["effect"]) ?? ""),
  );
}
