import type { Properties } from "../pulumi/provider-protocol/property-values";

/** A GKE cluster that exists. What is left out gets the value of an ordinary Standard cluster. */
export interface GkeCluster {
  project: string;
  /** Region or zone. */
  location: string;
  name: string;
  /** `host:port` of the API server. GKE's own is an address without port. */
  endpoint: string;
  /** PEM of the certificate authority of the API server. */
  caPem: string;
  /** Default `1.36.3-gke.1000000`. */
  version?: string;
  autopilot?: boolean;
  /** Default true. */
  workloadIdentity?: boolean;
  /** Default `OPTIMIZE_UTILIZATION`. */
  autoscalingProfile?: "OPTIMIZE_UTILIZATION" | "BALANCED";
  /** Whether there is a node pool without taints, where the dispatcher's pods can run. Default true. */
  systemPool?: boolean;
}

export const DEFAULT_VERSION = "1.36.3-gke.1000000";

export function clusterId(cluster: Pick<GkeCluster, "project" | "location" | "name">): string {
  return `projects/${cluster.project}/locations/${cluster.location}/clusters/${cluster.name}`;
}

/** The answer to `gcp:container/getCluster:getCluster`, with every field that a program may look at to judge a cluster. */
export function clusterLookup(cluster: GkeCluster): Properties {
  const version = cluster.version ?? DEFAULT_VERSION;
  const id = clusterId(cluster);
  const zonal = /-[a-z]$/.test(cluster.location);
  return {
    id,
    selfLink: `https://container.googleapis.com/v1/${id}`,
    name: cluster.name,
    location: cluster.location,
    project: cluster.project,
    description: "",
    endpoint: cluster.endpoint,
    masterAuths: [
      {
        clusterCaCertificate: Buffer.from(cluster.caPem).toString("base64"),
        clientCertificate: "",
        clientKey: "",
        clientCertificateConfigs: [{ issueClientCertificate: false }],
      },
    ],
    masterVersion: version,
    nodeVersion: version,
    // A data source repeats the cluster's arguments; nobody set this one.
    minMasterVersion: "",
    enableAutopilot: cluster.autopilot ?? false,
    autopilotPrivilegedAdmissions: [],
    workloadIdentityConfigs:
      (cluster.workloadIdentity ?? true) ? [{ workloadPool: `${cluster.project}.svc.id.goog` }] : [],
    clusterAutoscalings: [
      {
        enabled: false,
        autoscalingProfile: cluster.autoscalingProfile ?? "OPTIMIZE_UTILIZATION",
        autoProvisioningDefaults: [],
        autoProvisioningLocations: [],
        resourceLimits: [],
      },
    ],
    nodePools: [nodePoolLookup("system", version, (cluster.systemPool ?? true) ? [] : [SYSTEM_TAINT])],
    nodeConfigs: [],
    nodeLocations: zonal ? [] : ["b", "c"].map((zone) => `${cluster.location}-${zone}`),
    network: `projects/${cluster.project}/global/networks/default`,
    subnetwork: `projects/${cluster.project}/regions/${cluster.location.replace(/-[a-z]$/, "")}/subnetworks/default`,
    networkingMode: "VPC_NATIVE",
    datapathProvider: "ADVANCED_DATAPATH",
    releaseChannels: [{ channel: "REGULAR" }],
    controlPlaneEndpointsConfigs: [
      {
        dnsEndpointConfigs: [
          { allowExternalTraffic: false, endpoint: "", enableK8sTokensViaDns: false, enableK8sCertsViaDns: false },
        ],
        ipEndpointsConfigs: [{ enabled: true }],
      },
    ],
    privateClusterConfigs: [],
    masterAuthorizedNetworksConfigs: [],
    deletionProtection: true,
    initialNodeCount: 1,
    removeDefaultNodePool: true,
    resourceLabels: {},
    effectiveLabels: {},
    pulumiLabels: {},
  };
}

const SYSTEM_TAINT: Properties = { key: "reserved", value: "yes", effect: "NO_SCHEDULE" };

function nodePoolLookup(name: string, version: string, taints: Properties[]): Properties {
  return {
    name,
    namePrefix: "",
    version,
    initialNodeCount: 1,
    nodeCount: 1,
    autoscalings: [],
    instanceGroupUrls: [],
    managedInstanceGroupUrls: [],
    // The real data source fills `taints` with those that Terraform's state has, which is never any (flattenTaints).
    nodeConfigs: [{ machineType: "e2-standard-2", spot: false, labels: {}, taints: [], effectiveTaints: taints }],
  };
}

/** The answer to `gcp:container/getEngineVersions:getEngineVersions`. */
export function engineVersions(project: string, location: string, versionPrefix: string | undefined): Properties {
  const versions = [DEFAULT_VERSION, "1.35.6-gke.1000000", "1.34.9-gke.1000000"].filter((version) =>
    version.startsWith(versionPrefix ?? ""),
  );
  const latest = versions[0] ?? "";
  const channels = { RAPID: latest, REGULAR: latest, STABLE: latest };
  return {
    id: "lab",
    project,
    location,
    defaultClusterVersion: latest,
    latestMasterVersion: latest,
    latestNodeVersion: latest,
    releaseChannelDefaultVersion: channels,
    releaseChannelLatestVersion: channels,
    releaseChannelUpgradeTargetVersion: channels,
    validMasterVersions: versions,
    validNodeVersions: versions,
  };
}
