import "./stack/node-version";
import { AgentNodePool, DindJobTemplate, DispatcherMonitoring, WebhookDispatcher } from "./components";
import { AgentsNamespace } from "./components/agents-namespace";
import { jobTokenSourceOf } from "./components/job-token-source";
import { templateNameFor } from "./components/template-name";
import { readConfiguration } from "./config";
import { dispatcherArgsOf, stackKeyOf } from "./stack/dispatcher-args";
import { exposureOf } from "./stack/exposure";
import { monitoringArgsOf } from "./stack/monitoring-args";
import { nextStepsFor } from "./stack/next-steps";
import { templateArgsOf } from "./stack/queue-template";
import { targetCluster } from "./stack/target-cluster";
import { warnOfUnpinnedImages } from "./stack/unpinned-images";

const config = readConfiguration();
warnOfUnpinnedImages(config);
const cluster = targetCluster(config);
const inCluster = { providers: { kubernetes: cluster.provider } };

const agents = new AgentsNamespace(
  "agents",
  {
    namespace: config.agentsNamespace,
    agentToken: config.agentToken,
    jobAcquisitionTokens: config.jobAcquisitionTokens,
    gitHttpsCredentials: config.gitHttpsCredentials,
    gitSshKey: config.gitSshKey,
    gitKnownHosts: config.gitKnownHosts,
    jobQuota: config.jobQuota,
    // A service account of one's own is there for Workload Identity.
    metadataServer: config.queues.some((queue) => queue.serviceAccountName !== undefined),
  },
  inCluster,
);

const pool =
  cluster.gke &&
  new AgentNodePool("agents", {
    cluster: cluster.gke.name,
    location: cluster.gke.location,
    project: cluster.gke.project,
    maxNodes: config.maxNodes,
    machineType: config.machineType,
    spot: config.spot,
    diskSizeGb: config.diskSizeGb,
    diskType: config.diskType,
    zones: config.zones,
    serviceAccountId: config.nodeServiceAccountId,
  });

const jobTokens = config.jobAcquisitionTokens === true ? jobTokenSourceOf(config.dispatcherNamespace) : undefined;
const templates = config.queues.map(
  (queue) => new DindJobTemplate(templateNameFor(queue.key), templateArgsOf(queue, agents, pool, jobTokens), inCluster),
);

const dispatcher = new WebhookDispatcher("dispatcher", dispatcherArgsOf(config, exposureOf(config, cluster)), {
  ...inCluster,
  // Its policy lets a template's Jobs in: that template's own policy must be bound by then, also when `up` fails on the way.
  dependsOn: [agents, ...templates],
});

if (config.monitoring === true) new DispatcherMonitoring("monitoring", monitoringArgsOf(config, dispatcher), inCluster);

/** What `pulumi stack output` shows; what there is not is left out. */
export = {
  /** Address for Buildkite; absent while nothing is exposed. */
  ...(dispatcher.webhookUrl && { webhookUrl: dispatcher.webhookUrl }),
  /** Address for DNS; absent while nothing is exposed. */
  ...(dispatcher.webhookAddress && { webhookAddress: dispatcher.webhookAddress }),
  /** Name of the node pool at GKE; absent for target local. */
  ...(pool && { nodePool: pool.poolName }),
  /** Namespace of the dispatcher. */
  dispatcherNamespace: dispatcher.namespace,
  /** Namespace of the builds. */
  agentsNamespace: agents.namespace,
  /** PodTemplates that Jobs are stamped from, in the order of the queues. */
  podTemplates: templates.map(({ templateName }) => templateName),
  /** What Buildkite knows this stack by; absent with webhookOnly. */
  ...(config.webhookOnly !== true && { stackKey: stackKeyOf(config) }),
  /** What to do next, in words. */
  nextSteps: nextStepsFor(config, dispatcher),
};
