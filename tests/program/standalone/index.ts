import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DindJobTemplate } from "buildkite-scale-to-zero/components";

const provider = new k8s.Provider("cluster", { kubeconfig: new pulumi.Config().require("kubeconfig") });
const builds = new k8s.core.v1.Namespace("builds", {}, { provider });
const token = new k8s.core.v1.Secret(
  "agent-token",
  {
    metadata: { name: "agent-token", namespace: builds.metadata.name },
    stringData: { token: "an-agent-token-of-the-tests" },
  },
  { provider },
);
new DindJobTemplate(
  "docker",
  {
    namespace: builds.metadata.name,
    templateName: "docker",
    queue: "docker",
    agentToken: { secret: "agent-token", key: "token" },
    resources: { agent: { cpu: "500m", memory: "1Gi" }, dind: { cpu: "1", memory: "4Gi" } },
  },
  { dependsOn: [token], providers: { kubernetes: provider } },
);
export const namespace = builds.metadata.name;
