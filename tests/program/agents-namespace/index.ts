import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DindJobTemplate } from "../../../components";
import { AgentsNamespace } from "../../../components/agents-namespace";

const config = new pulumi.Config();
const provider = new k8s.Provider("cluster", {
  kubeconfig: config.require("kubeconfig"),
  enableConfigMapMutable: true,
  enableSecretMutable: true,
});
const inCluster = { providers: { kubernetes: provider } };
const agents = new AgentsNamespace(
  "agents",
  { namespace: config.require("namespace"), agentToken: config.requireSecret("agentToken") },
  inCluster,
);
new DindJobTemplate(
  "linux",
  {
    ...{ namespace: agents.namespace, queue: "linux", templateName: "linux", agentToken: agents.agentToken },
    serviceAccountName: agents.serviceAccountName,
    resources: { agent: { cpu: "1", memory: "1Gi" }, dind: { cpu: "1", memory: "2Gi" } },
  },
  inCluster,
);
