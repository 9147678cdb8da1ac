import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DispatcherMonitoring } from "buildkite-scale-to-zero/components";

const config = new pulumi.Config();
const provider = new k8s.Provider("cluster", {
  kubeconfig: config.require("kubeconfig"),
  enableConfigMapMutable: true,
});
const namespace = new k8s.core.v1.Namespace("monitoring", {}, { provider });
const monitoring = new DispatcherMonitoring(
  "monitoring",
  {
    dispatcherNamespace: "ci-dispatcher",
    namespace: namespace.metadata.name,
    replicas: config.requireNumber("replicas"),
    reconcileSeconds: 10,
  },
  { providers: { kubernetes: provider } },
);
export const where = namespace.metadata.name;
export const names = [monitoring.alertRulesName, monitoring.dashboardName];
