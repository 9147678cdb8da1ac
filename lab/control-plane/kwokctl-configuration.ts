import { join } from "node:path";
import type { Part } from "../parts";

/** The parts that a control plane is made of. */
export type ControlPlaneParts = Record<
  "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler" | "kwok" | "kwokctl",
  Part
>;

/** The loopback ports of a control plane. */
export interface ControlPlanePorts {
  etcd: number;
  etcdPeer: number;
  apiserver: number;
  controllerManager: number;
  scheduler: number;
  kwok: number;
}

/** Who issues service account tokens: kwokctl gives it to the API server. */
export const serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local";

/** What real nodes and their pods need of a control plane; only for a network namespace that nobody else is in. */
export interface NodeNetwork {
  /** Under which nodes and pods reach the API server. It must be there before the control plane starts. */
  apiServerAddress: string;
}

const address = "127.0.0.1";
/** The first address of the range of Services, under which the API server is called `kubernetes`. */
export const kubernetesServiceAddress = "10.96.0.1";

/** What is said to each component beyond what kwokctl says. */
const extraArguments: Record<string, Record<string, string>> = {
  etcd: {
    // Nothing here outlives the run.
    "unsafe-no-fsync": "true",
    "log-level": "warn",
  },
  "kube-apiserver": {
    // With these two it needs no default route, which a network namespace or a laptop in a train does not have.
    "advertise-address": address,
    "endpoint-reconciler-type": "none",
    "kubelet-preferred-address-types": "InternalIP",
    "service-cluster-ip-range": "10.96.0.0/16",
    profiling: "false",
  },
  "kube-controller-manager": {
    "leader-elect": "false",
    "kube-api-qps": "300",
    "kube-api-burst": "600",
    "concurrent-job-syncs": "10",
    profiling: "false",
  },
  "kwok-controller": {
    // kwokctl asks for all nodes, and kwok would fight a real kubelet for its own.
    "manage-all-nodes": "false",
    "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
    // Not the addresses of Services, whatever the API server's range is.
    cidr: "10.128.0.0/14",
  },
};

/** What is said besides, or instead, for real nodes. `pki` holds the keys that kwokctl makes. */
function nodeArguments(network: NodeNetwork, pki: string): Record<string, Record<string, string>> {
  return {
    "kube-apiserver": {
      "bind-address": "0.0.0.0",
      "advertise-address": network.apiServerAddress,
      // Writes the Service's endpoint, by which pods find the API server.
      "endpoint-reconciler-type": "lease",
      // For logs and exec: a kubelet answers nobody it does not know.
      "kubelet-client-certificate": join(pki, "admin.crt"),
      "kubelet-client-key": join(pki, "admin.key"),
    },
    "kube-controller-manager": {
      // Signs the certificates that kubelets ask for.
      "cluster-signing-cert-file": join(pki, "ca.crt"),
      "cluster-signing-key-file": join(pki, "ca.key"),
    },
  };
}

/** Flags that kwokctl sets, too: ours come instead. */
const overridden = new Set(["manage-all-nodes", "bind-address"]);

/** The configuration file for `kwokctl create cluster`. JSON, which is YAML. */
export function kwokctlConfiguration(
  parts: ControlPlaneParts,
  ports: ControlPlanePorts,
  files: { schedulerConfiguration: string; pki: string },
  network?: NodeNetwork,
): string {
  const added = network === undefined ? {} : nodeArguments(network, files.pki);
  return JSON.stringify({
    apiVersion: "config.kwok.x-k8s.io/v1alpha1",
    kind: "KwokctlConfiguration",
    options: {
      runtime: "binary",
      bindAddress: address,
      kubeVersion: parts["kube-apiserver"].version,
      etcdVersion: parts.etcd.version.replace(/^v/, ""),
      etcdBinary: parts.etcd.path,
      kubeApiserverBinary: parts["kube-apiserver"].path,
      kubeControllerManagerBinary: parts["kube-controller-manager"].path,
      kubeSchedulerBinary: parts["kube-scheduler"].path,
      kwokControllerBinary: parts.kwok.path,
      etcdPort: ports.etcd,
      etcdPeerPort: ports.etcdPeer,
      kubeApiserverPort: ports.apiserver,
      kubeControllerManagerPort: ports.controllerManager,
      kubeSchedulerPort: ports.scheduler,
      kwokControllerPort: ports.kwok,
      securePort: true,
      kubeAuthorization: true,
      kubeAdmission: true,
      kubeSchedulerConfig: files.schedulerConfiguration,
      ...(network === undefined ? {} : { kubeApiserverCertSANs: [network.apiServerAddress, kubernetesServiceAddress] }),
      nodeLeaseDurationSeconds: 40,
      // kwokctl stretches all heartbeats by 5 otherwise; these are a real cluster's.
      heartbeatFactor: 1,
    },
    // In the file and not as --extra-args: kwokctl 0.8.0 mixes those up (and crashes) with several components.
    componentsPatches: Object.entries(extraArguments).map(([name, flags]) => ({
      name,
      extraArgs: Object.entries({ ...flags, ...added[name] }).map(([key, value]) => ({
        key,
        value,
        override: overridden.has(key),
      })),
    })),
  });
}

/** The scheduler's configuration file; kwokctl adds the kubeconfig to it. */
export function schedulerConfiguration(): string {
  return JSON.stringify({
    apiVersion: "kubescheduler.config.k8s.io/v1",
    kind: "KubeSchedulerConfiguration",
    leaderElection: { leaderElect: false },
    clientConnection: { qps: 300, burst: 600 },
    // The lab runs its time faster than life; a pod must not sit out 10 s of it after a node came up.
    podInitialBackoffSeconds: 1,
    podMaxBackoffSeconds: 2,
  });
}
