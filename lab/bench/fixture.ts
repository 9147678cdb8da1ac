import { POOL_LABEL } from "../../components/contract";
import { buildPodSpec } from "../../components/pod-spec";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { DispatcherSettings } from "../../dispatcher/settings";
import { createAgentsFixture, type AgentsFixture } from "./agents-fixture";
import { QUEUE } from "./webhooks";

/** Value of the pool label that builds ask for. */
export const POOL = "builds";
/** Name of the Secret with the agent token. */
export const TOKEN_SECRET = "buildkite-agent-token";
const TEMPLATE = "bench";
/** The component's default. */
const BUFFER_SIZE = 1_000;

/** A namespace with the template of a build's real pod, as the template component renders it. */
export function createBuildsFixture(admin: KubernetesClient, namespace: string): Promise<AgentsFixture> {
  const resources = { cpu: "1", memory: "2Gi" };
  const podSpec = buildPodSpec({
    ...{ namespace, templateName: TEMPLATE, queue: QUEUE, nodeSelector: { [POOL_LABEL]: POOL } },
    agentToken: { secret: TOKEN_SECRET, key: "token" },
    resources: { agent: resources, dind: resources },
  });
  return createAgentsFixture(admin, namespace, TEMPLATE, podSpec);
}

/** How the dispatcher is set up. */
export interface Served {
  readonly concurrency: number;
  /** `undefined`: webhook-only. */
  readonly reconcileSeconds: number | undefined;
  readonly inFlight: number;
}

/** As the component would write them. */
export function settingsFor(agentsNamespace: string, buildkiteUrl: string, served: Served): DispatcherSettings {
  const queue = { key: QUEUE, default: true, tags: [`queue=${QUEUE}`], template: TEMPLATE };
  const queues = [{ ...queue, agentMode: "acquire" as const }];
  const limits = { createConcurrency: served.concurrency, bufferSize: BUFFER_SIZE };
  if (served.reconcileSeconds === undefined) {
    return { agentsNamespace, queues, mode: "webhook-only", limits };
  }
  return {
    ...{ agentsNamespace, queues, mode: "reconcile", stackKey: agentsNamespace },
    buildkite: { endpoint: `${buildkiteUrl}/v3`, intervalSeconds: served.reconcileSeconds },
    limits: { ...limits, inFlight: served.inFlight },
  };
}
