import { at, stringAt, type KubernetesObject } from "./kubernetes-object";

/** The provider's settings that make named ConfigMaps and Secrets changeable in place. */
export interface MutableData {
  enableConfigMapMutable: boolean;
  enableSecretMutable: boolean;
}

const IDENTITY = ["metadata.name", "metadata.namespace"];

// As in the provider's own table (pulumi-kubernetes, provider/pkg/provider/diff.go), for the kinds a program here may use.
const KINDS: Readonly<Record<string, readonly string[]>> = {
  "v1/ConfigMap": ["data", "binaryData"],
  "v1/Secret": ["type", "data", "stringData"],
  "v1/Service": ["spec.clusterIP"],
  "v1/ResourceQuota": ["spec.scopes"],
  "v1/PersistentVolumeClaim": ["spec"],
  "apps/v1/Deployment": ["spec.selector"],
  "apps/v1/DaemonSet": ["spec.selector"],
  "apps/v1/StatefulSet": [
    "spec.podManagementPolicy",
    "spec.revisionHistoryLimit",
    "spec.selector",
    "spec.serviceName",
    "spec.volumeClaimTemplates",
  ],
  "batch/v1/Job": ["spec.completions", "spec.parallelism", "spec.selector", "spec.template"],
  "rbac.authorization.k8s.io/v1/RoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": ["roleRef"],
  "storage.k8s.io/v1/StorageClass": ["parameters", "provisioner"],
};

/** Paths whose change needs a new object. */
export function forceNewPaths(inputs: KubernetesObject, settings: MutableData): string[] {
  const kind = `${stringAt(inputs, "apiVersion") ?? ""}/${stringAt(inputs, "kind") ?? ""}`;
  const immutable = at(inputs, "immutable") === true;
  if (kind === "v1/ConfigMap" && settings.enableConfigMapMutable && !immutable) {
    return IDENTITY;
  }
  if (kind === "v1/Secret" && settings.enableSecretMutable && !immutable) {
    return [...IDENTITY, "type"];
  }
  return [...IDENTITY, ...(KINDS[kind] ?? [])];
}
