import type * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";

/** What is read of Google's answer. */
export type ClusterLookup = Pick<
  gcp.container.GetClusterResult,
  | "name"
  | "location"
  | "project"
  | "endpoint"
  | "masterAuths"
  | "masterVersion"
  | "enableAutopilot"
  | "workloadIdentityConfigs"
  | "clusterAutoscalings"
  | "nodePools"
  | "controlPlaneEndpointsConfigs"
>;

/** Admission policies (v1) came with 1.30. */
const MINIMUM_MINOR = 30;

/**
 * Refuses, at preview, a cluster that builds could not run on, and warns of what costs money there.
 *
 * @throws pulumi.RunError that lists everything that is wrong, each with its fix.
 */
export function assertUsable(cluster: ClusterLookup): void {
  const faults = clusterFaults(cluster);
  if (faults.length > 0) {
    throw new pulumi.RunError(
      `The GKE cluster ${cluster.name} cannot be used:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`,
    );
  }
  const profile = cluster.clusterAutoscalings[0]?.autoscalingProfile ?? "BALANCED";
  if (profile !== "OPTIMIZE_UTILIZATION") {
    void pulumi.log.warn(
      `The cluster ${cluster.name} has autoscaling profile ${profile}: an idle node is paid for another 10 to 15 minutes. ` +
        `With optimize-utilization it is about one: gcloud container clusters update ${cluster.name} --location ${cluster.location ?? "LOCATION"} --project ${cluster.project ?? "PROJECT"} --autoscaling-profile optimize-utilization`,
    );
  }
}

/** Every rule that the cluster breaks, in words. Pure, for the tests. */
export function clusterFaults(cluster: ClusterLookup): string[] {
  const faults: string[] = [];
  const [major = 0, minor = 0] = cluster.masterVersion.split(".").map(Number);
  if (cluster.enableAutopilot) {
    faults.push(
      "it is an Autopilot cluster, which refuses privileged pods (docker:dind is one): use a Standard cluster",
    );
  }
  if (major < 1 || (major === 1 && minor < MINIMUM_MINOR)) {
    faults.push(
      `it runs Kubernetes ${cluster.masterVersion}, but 1.${MINIMUM_MINOR} or newer is needed: upgrade its control plane`,
    );
  }
  if ((cluster.workloadIdentityConfigs[0]?.workloadPool ?? "") === "") {
    faults.push(
      "Workload Identity is off, so build pods would reach the node's own identity: switch it on with --workload-pool=PROJECT.svc.id.goog",
    );
  }
  // Node auto-provisioning would make a pool for it.
  const makesPools = cluster.clusterAutoscalings.some(({ enabled }) => enabled);
  if (!makesPools && !cluster.nodePools.some((pool) => pool.nodeConfigs.every(takesAnyPod))) {
    faults.push("every node pool is tainted, so the dispatcher would never be scheduled: add an untainted pool");
  }
  return faults;
}

/** Whether a pod without tolerations can land there. `taints` would be those that Terraform set: none, of a cluster looked up. */
function takesAnyPod({ effectiveTaints }: ClusterLookup["nodePools"][number]["nodeConfigs"][number]): boolean {
  return effectiveTaints.every(({ effect }) => effect === "PREFER_NO_SCHEDULE");
}
