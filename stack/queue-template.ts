import type { AgentNodePool, DindJobTemplateArgs } from "../components";
import type { AgentsNamespace } from "../components/agents-namespace";
import { templateNameFor } from "../components/template-name";
import type { QueueValues } from "./config-table";

/** More than half of an e2-standard-4: one build to a node, and the node's idle time is the shorter one. */
const DEFAULT_RESOURCES: DindJobTemplateArgs["resources"] = {
  agent: { cpu: "500m", memory: "1Gi" },
  dind: { cpu: "1500m", memory: "6Gi", ephemeralStorage: "20Gi" },
};

/** A queue's template: what the stack says of it; what must agree with pool and namespace is taken from those. */
export function templateArgsOf(
  queue: QueueValues,
  agents: AgentsNamespace,
  pool: AgentNodePool | undefined,
  jobAcquisitionTokens?: DindJobTemplateArgs["jobAcquisitionTokens"],
): DindJobTemplateArgs {
  const { key, timeoutMinutes, pendingLimitMinutes } = queue;
  return {
    queue: key,
    tags: queue.tags,
    agentMode: queue.agentMode,
    sidecar: queue.sidecar,
    innerCgroups: queue.innerCgroups,
    agentImage: queue.agentImage,
    dindImage: queue.dindImage,
    terminationGracePeriodSeconds: queue.terminationGracePeriodSeconds,
    env: queue.env,
    secretEnv: queue.secretEnv,
    hooksConfigMap: queue.hooksConfigMap,
    imagePullSecrets: queue.imagePullSecrets,
    registryMirrors: queue.registryMirrors,
    defaultAddressPools: queue.defaultAddressPools,
    dockerGraphSizeLimit: queue.dockerGraphSizeLimit,
    buildsSizeLimit: queue.buildsSizeLimit,
    templateName: templateNameFor(key),
    namespace: agents.namespace,
    agentToken: agents.agentToken,
    jobAcquisitionTokens,
    gitCredentials: agents.gitCredentials,
    serviceAccountName: queue.serviceAccountName ?? agents.serviceAccountName,
    resources: queue.resources ?? DEFAULT_RESOURCES,
    timeoutSeconds: timeoutMinutes === undefined ? undefined : timeoutMinutes * 60,
    pendingLimitSeconds: pendingLimitMinutes === undefined ? undefined : pendingLimitMinutes * 60,
    nodeSelector: pool?.nodeSelector,
    tolerations: pool?.tolerations,
  };
}
