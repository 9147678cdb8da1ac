import { isDeepStrictEqual } from "node:util";
import type { Cluster } from "./cluster";
import { at, listAt, numberAt, stringAt, type KubernetesObject } from "./kubernetes-object";

/** Whether an object does what it was made for, and if not, what is missing. */
export type Readiness = { ready: true } | { ready: false; reasons: string[] };

const READY: Readiness = { ready: true };

function waiting(...reasons: string[]): Readiness {
  return { ready: false, reasons };
}

type Check = (object: KubernetesObject, cluster: Cluster) => Readiness | Promise<Readiness>;

const CHECKS: Readonly<Record<string, Check>> = {
  "apps/v1/Deployment": deployment,
  "v1/Service": service,
  "networking.k8s.io/v1/Ingress": ingress,
  "v1/ResourceQuota": (object) =>
    isDeepStrictEqual(at(object, "status", "hard"), at(object, "spec", "hard"))
      ? READY
      : waiting("the quota is not in force yet"),
};

// The provider waits for these too. Passing them without waiting would be a false green.
const NOT_MODELLED: ReadonlySet<string> = new Set([
  "apps/v1/StatefulSet",
  "apps/v1/DaemonSet",
  "batch/v1/Job",
  "v1/Pod",
  "v1/PersistentVolumeClaim",
  "v1/ReplicationController",
]);

/** The check that the provider makes for objects of this kind, or `undefined` where it makes none. */
export function readinessCheck(object: KubernetesObject): Check | undefined {
  const kind = `${stringAt(object, "apiVersion") ?? ""}/${stringAt(object, "kind") ?? ""}`;
  if (NOT_MODELLED.has(kind)) {
    throw new Error(`the kubernetes double does not model waiting for ${kind}`);
  }
  return CHECKS[kind];
}

async function deployment(object: KubernetesObject, cluster: Cluster): Promise<Readiness> {
  if ((numberAt(object, "status", "observedGeneration") ?? 0) < (numberAt(object, "metadata", "generation") ?? 0)) {
    return waiting("the Deployment controller has not seen the new version yet");
  }
  const wanted = numberAt(object, "spec", "replicas") ?? 1;
  const [updated, available, all] = ["updatedReplicas", "availableReplicas", "replicas"].map(
    (name) => numberAt(object, "status", name) ?? 0,
  ) as [number, number, number];
  const isAvailable = condition(object, "Available")?.status === "True";
  const progress = condition(object, "Progressing");
  const rolledOut = progress === undefined || progress.reason === "NewReplicaSetAvailable";
  if (isAvailable && rolledOut && updated === wanted && available >= wanted && all === updated) {
    return READY;
  }
  const reasons = [`Waiting for app ReplicaSet to be available (${available}/${wanted} Pods available)`];
  if (progress?.reason === "ProgressDeadlineExceeded") {
    reasons.push(`[ProgressDeadlineExceeded] ${progress.message}`);
  }
  return waiting(...reasons, ...(await podProblems(object, cluster)));
}

/** Why its pods do not run, in Kubernetes' own words. */
async function podProblems(object: KubernetesObject, cluster: Cluster): Promise<string[]> {
  const labels = Object.entries((at(object, "spec", "selector", "matchLabels") ?? {}) as Record<string, string>);
  const pods = await cluster.request<{ items: KubernetesObject[] }>(
    "GET",
    `/api/v1/namespaces/${stringAt(object, "metadata", "namespace") ?? "default"}/pods`,
    { query: { labelSelector: labels.map(([key, value]) => `${key}=${value}`).join(",") } },
  );
  const problems = pods.items.flatMap((pod) => [
    ...listAt(pod, "status", "containerStatuses").flatMap((status) => {
      const reason = stringAt(status, "state", "waiting", "reason");
      const message = stringAt(status, "state", "waiting", "message") ?? "";
      return reason === undefined || reason === "ContainerCreating" ? [] : [`[${reason}] ${message}`];
    }),
    ...listAt(pod, "status", "conditions").flatMap((entry) => {
      const unschedulable = stringAt(entry, "reason") === "Unschedulable";
      return unschedulable ? [`[Unschedulable] ${stringAt(entry, "message") ?? ""}`] : [];
    }),
  ]);
  return [...new Set(problems)];
}

async function service(object: KubernetesObject, cluster: Cluster): Promise<Readiness> {
  const type = stringAt(object, "spec", "type") ?? "ClusterIP";
  const headless = stringAt(object, "spec", "clusterIP") === "None";
  const reasons: string[] = [];
  if (!headless && type !== "ExternalName" && at(object, "spec", "selector") !== undefined) {
    if (!(await hasReadyEndpoint(object, stringAt(object, "metadata", "name") ?? "", cluster))) {
      reasons.push(
        "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match " +
          "labels on any Pods",
      );
    }
  }
  if (type === "LoadBalancer" && listAt(object, "status", "loadBalancer", "ingress").length === 0) {
    reasons.push("Service was not allocated an IP address; does your cloud provider support this?");
  }
  return reasons.length === 0 ? READY : waiting(...reasons);
}

async function ingress(object: KubernetesObject, cluster: Cluster): Promise<Readiness> {
  const reasons: string[] = [];
  for (const rule of listAt(object, "spec", "rules")) {
    for (const path of listAt(rule, "http", "paths")) {
      const name = stringAt(path, "backend", "service", "name");
      if (name !== undefined && !(await hasReadyEndpoint(object, name, cluster))) {
        const where = `${stringAt(rule, "host") ?? ""}${stringAt(path, "path") ?? ""}`;
        reasons.push(
          `Ingress has a rule whose service has no endpoint: ${JSON.stringify(where)} -> ${JSON.stringify(name)}`,
        );
      }
    }
  }
  if (listAt(object, "status", "loadBalancer", "ingress").length === 0) {
    reasons.push("Ingress .status.loadBalancer field was not updated with a hostname/IP address");
  }
  return reasons.length === 0 ? READY : waiting(...reasons);
}

async function hasReadyEndpoint(object: KubernetesObject, serviceName: string, cluster: Cluster): Promise<boolean> {
  const namespace = stringAt(object, "metadata", "namespace") ?? "default";
  const slices = await cluster.request<{ items: KubernetesObject[] }>(
    "GET",
    `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
    { query: { labelSelector: `kubernetes.io/service-name=${serviceName}` } },
  );
  return slices.items.some((slice) =>
    listAt(slice, "endpoints").some((endpoint) => at(endpoint, "conditions", "ready") !== false),
  );
}

function condition(object: KubernetesObject, type: string) {
  const found = listAt(object, "status", "conditions").find((entry) => stringAt(entry, "type") === type);
  return found === undefined
    ? undefined
    : {
        status: stringAt(found, "status") ?? "",
        reason: stringAt(found, "reason") ?? "",
        message: stringAt(found, "message") ?? "",
      };
}
