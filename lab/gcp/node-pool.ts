import { textOf, type Properties } from "../pulumi/provider-protocol/property-values";
import type { InputReader } from "./input-reader";
import type { GcpContext, GcpResourceType } from "./resource-type";

const LIMITS = "autoscaling.";
const PER_ZONE = ["minNodeCount", "maxNodeCount"] as const;
const TOTAL = ["totalMinNodeCount", "totalMaxNodeCount"] as const;

/**
 * `gcp:container/nodePool:NodePool`.
 *
 * Rules as in the schema of terraform-provider-google (resource_container_node_pool.go, node_config.go) and GKE's
 * documentation. In place there, so in place here: limits, labels, taints, machine type, disk, image, tags.
 */
export const nodePool: GcpResourceType = {
  token: "gcp:container/nodePool:NodePool",
  generatedName: "name",
  forceNew: [
    "name",
    "namePrefix",
    "project",
    "location",
    "cluster",
    "initialNodeCount",
    "maxPodsPerNode",
    "placementPolicy",
    "queuedProvisioning",
    "networkConfig.createPodRange",
    "networkConfig.podRange",
    "networkConfig.podIpv4CidrBlock",
    ...[
      "spot",
      "preemptible",
      "serviceAccount",
      "oauthScopes",
      "metadata",
      "minCpuPlatform",
      "shieldedInstanceConfig",
      "guestAccelerators",
      "localSsdCount",
      "ephemeralStorageLocalSsdConfig",
      "localNvmeSsdBlockConfig",
      "secondaryBootDisks",
      "reservationAffinity",
      "bootDiskKmsKey",
      "nodeGroup",
      "advancedMachineFeatures",
      "soleTenantConfig",
      "hostMaintenancePolicy",
      "confidentialNodes",
      "enableConfidentialStorage",
      "sandboxConfig",
      "flexStart",
      "maxRunDuration",
    ].map((property) => `nodeConfig.${property}`),
  ],
  computed: ["instanceGroupUrls", "managedInstanceGroupUrls", "operation", "version", "nodeLocations"],

  check(inputs) {
    inputs.required("cluster");
    inputs.string("name", {
      pattern: /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/,
      says: "must be 1-40 characters of a-z, 0-9 and '-', starting with a letter and not ending in '-'",
    });
    checkAutoscaling(inputs);
    inputs.integer("initialNodeCount", 0);
    inputs.integer("nodeCount", 0);
    inputs.integer("maxPodsPerNode", 8, 256);
    inputs.string("deletionPolicy", {
      oneOf: ["DELETE", "PREVENT", "ABANDON"],
      says: "must be DELETE, PREVENT or ABANDON",
    });
    inputs.string("upgradeSettings.strategy", { oneOf: ["SURGE", "BLUE_GREEN"], says: "must be SURGE or BLUE_GREEN" });
    checkNodeConfig(inputs);
  },

  id(inputs, context) {
    const { project, location, cluster } = clusterOf(inputs, context);
    return `projects/${project}/locations/${location}/clusters/${cluster}/nodePools/${textOf(inputs["name"])}`;
  },

  outputs(inputs, _id, context) {
    const { project, location } = clusterOf(inputs, context);
    return {
      project,
      location,
      instanceGroupUrls: [],
      managedInstanceGroupUrls: [],
      operation: "",
      version: "1.36.3-gke.1000000",
      nodeLocations: /-[a-z]$/.test(location) ? [location] : ["a", "b", "c"].map((zone) => `${location}-${zone}`),
      initialNodeCount: inputs["initialNodeCount"] ?? 0,
      nodeCount: inputs["nodeCount"] ?? inputs["initialNodeCount"] ?? 0,
      maxPodsPerNode: inputs["maxPodsPerNode"] ?? 110,
    };
  },

  beforeCreate(inputs, context) {
    const { project, location, cluster } = clusterOf(inputs, context);
    context.requireCluster(project, location, cluster);
  },
};

/** The provider takes the cluster's name, or its full id, which then says project and location as well. */
export function clusterOf(inputs: Properties, context: GcpContext) {
  const cluster = textOf(inputs["cluster"]);
  const full = /^projects\/([^/]+)\/locations\/([^/]+)\/clusters\/([^/]+)$/.exec(cluster);
  if (full !== null) {
    return { project: full[1] ?? "", location: full[2] ?? "", cluster: full[3] ?? "" };
  }
  const location = typeof inputs["location"] === "string" ? inputs["location"] : context.location;
  if (location === undefined) {
    throw new Error("location: required field is not set");
  }
  return { project: context.project, location, cluster };
}

function checkAutoscaling(inputs: InputReader): void {
  if (!inputs.has("autoscaling")) {
    return;
  }
  const set = (names: readonly string[]) => names.filter((name) => inputs.has(LIMITS + name));
  const [perZone, total] = [set(PER_ZONE), set(TOTAL)];
  if (perZone.length > 0 && total.length > 0) {
    const pair = `${perZone.join(" and ")} (per zone) and ${total.join(" and ")} (all zones)`;
    inputs.fail("autoscaling", `${pair} exclude each other: use one of the two pairs`);
  }
  for (const [low, high] of [PER_ZONE, TOTAL]) {
    const minimum = inputs.integer(LIMITS + low, 0);
    const maximum = inputs.integer(LIMITS + high, 0);
    if (maximum === 0) {
      inputs.fail(LIMITS + high, `must be greater than 0, got 0`);
    } else if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
      inputs.fail(LIMITS + low, `must be at most ${high} (${maximum}), got ${minimum}`);
    } else if (minimum !== undefined && !inputs.has(LIMITS + high)) {
      inputs.fail(LIMITS + high, `must be set where ${low} is`);
    }
  }
  if (perZone.length === 0 && total.length === 0) {
    inputs.fail("autoscaling", `needs ${TOTAL.join(" and ")}, or ${PER_ZONE.join(" and ")}`);
  }
  inputs.string(`${LIMITS}locationPolicy`, { oneOf: ["BALANCED", "ANY"], says: "must be BALANCED or ANY" });
}

function checkNodeConfig(inputs: InputReader): void {
  inputs.integer("nodeConfig.diskSizeGb", 10);
  inputs.string("nodeConfig.machineType", {
    pattern: /^[a-z][a-z0-9]*(-[a-z0-9]+)+$/,
    says: "must be a machine type such as e2-standard-4",
  });
  inputs.string("nodeConfig.workloadMetadataConfig.mode", {
    oneOf: ["MODE_UNSPECIFIED", "GCE_METADATA", "GKE_METADATA"],
    says: "must be MODE_UNSPECIFIED, GCE_METADATA or GKE_METADATA",
  });
  if (inputs.get("nodeConfig.spot") === true && inputs.get("nodeConfig.preemptible") === true) {
    inputs.fail("nodeConfig.spot", "spot and preemptible exclude each other");
  }
  inputs.list("nodeConfig.taints").forEach((_, index) => {
    const taint = `nodeConfig.taints.${index}`;
    inputs.required(`${taint}.key`, `${taint}.value`, `${taint}.effect`);
    inputs.string(`${taint}.key`, LABEL_KEY);
    inputs.string(`${taint}.value`, LABEL_VALUE);
    inputs.string(`${taint}.effect`, {
      oneOf: ["NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"],
      says: "must be NO_SCHEDULE, PREFER_NO_SCHEDULE or NO_EXECUTE",
    });
  });
  for (const [key, value] of Object.entries(inputs.map("nodeConfig.labels"))) {
    if (!LABEL_KEY.pattern.test(key) || typeof value !== "string" || !LABEL_VALUE.pattern.test(value)) {
      inputs.fail("nodeConfig.labels", `${JSON.stringify(key)}: ${JSON.stringify(value)} is not a Kubernetes label`);
    }
  }
}

const LABEL_KEY = {
  pattern: /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
  says: "must be a Kubernetes label key",
};
const LABEL_VALUE = {
  pattern: /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/,
  says: "must be a Kubernetes label value",
};
