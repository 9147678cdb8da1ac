import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runChild } from "../parts/child";
import { Daemon } from "./daemon";

/** What a node registers itself with. */
export interface Taint {
  key: string;
  value?: string;
  effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

/** The kubelet of one node. */
export interface KubeletOptions {
  nodeName: string;
  path: string;
  /** The node's address; the kubelet listens nowhere else. */
  address: string;
  labels: Readonly<Record<string, string>>;
  taints: readonly Taint[];
  maxPods: number;
  /** On disk: pods' volumes, among them every emptyDir. */
  folder: string;
  /** Where the folder's `root` is seen under a short path: the path of a socket may have 107 bytes. */
  rootFolder: string;
  /** From the root of every cgroup hierarchy; must be there. */
  cgroupRoot: string;
  containerdSocket: string;
  /** Where the API server is, for nodes. */
  server: string;
  caPem: string;
  /** May ask for a certificate for this node, and nothing else. */
  bootstrapToken: string;
  env: NodeJS.ProcessEnv;
  /** Hears when it ends without having been told to. */
  onUnexpectedEnd: (error: Error) => void;
}

/**
 * What the kubelet is told. It differs from a GKE node in: cgroups (v1 where the machine has them, cgroupfs), no eviction
 * for a full disk and no image collection (the disk is the machine's, not ours), no DNS, addresses and folders, and few
 * pods. Everything that decides how fast a pod starts and ends is left at its default: it asks containerd for the state of
 * all pods every second (no evented PLEG), syncs every minute, and talks to the API server at the default rates.
 */
function configuration(options: KubeletOptions): object {
  const { folder } = options;
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: options.address,
    healthzBindAddress: options.address,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(folder, "ca.crt") },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${options.containerdSocket}`,
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    cgroupRoot: options.cgroupRoot,
    resolvConf: join(folder, "resolv.conf"),
    podLogsDir: join(folder, "pod-logs"),
    volumePluginDir: join(folder, "volume-plugins"),
    maxPods: options.maxPods,
    registerWithTaints: options.taints,
    // 0% means: not at all. What a volume or a container may write is still limited.
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "0%",
      "nodefs.inodesFree": "0%",
      "imagefs.available": "0%",
      "imagefs.inodesFree": "0%",
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    failSwapOn: false,
    // Lowering it needs CAP_SYS_RESOURCE.
    oomScoreAdj: 0,
  };
}

/** Writes all a kubelet needs and starts it: it asks the API server for its certificate itself, and registers its node. */
export async function startKubelet(options: KubeletOptions): Promise<Daemon> {
  const { folder } = options;
  await mkdir(join(folder, "pod-logs"), { recursive: true });
  await mkdir(join(folder, "root"), { recursive: true });
  await mkdir(options.rootFolder, { recursive: true });
  await mountAt(join(folder, "root"), options.rootFolder);
  await writeFile(join(folder, "ca.crt"), options.caPem);
  await writeFile(join(folder, "resolv.conf"), "");
  await writeFile(join(folder, "kubelet.json"), JSON.stringify(configuration(options)));
  await writeFile(join(folder, "bootstrap.kubeconfig"), bootstrapKubeconfig(options), { mode: 0o600 });
  const labels = Object.entries(options.labels).map(([key, value]) => `${key}=${value}`);
  const daemon = new Daemon({
    name: `${options.nodeName}: kubelet`,
    path: options.path,
    arguments: [
      `--config=${join(folder, "kubelet.json")}`,
      `--root-dir=${options.rootFolder}`,
      `--cert-dir=${join(folder, "pki")}`,
      `--bootstrap-kubeconfig=${join(folder, "bootstrap.kubeconfig")}`,
      `--kubeconfig=${join(folder, "kubeconfig")}`,
      `--hostname-override=${options.nodeName}`,
      `--node-ip=${options.address}`,
      `--node-labels=${labels.join(",")}`,
      "--v=2",
    ],
    env: options.env,
    logPath: join(folder, "kubelet.log"),
    cwd: "/",
    onUnexpectedEnd: options.onUnexpectedEnd,
  });
  daemon.start();
  return daemon;
}

/** Mounts under it are seen there alone, not a second time below the folder. */
async function mountAt(folder: string, point: string): Promise<void> {
  for (const words of [
    ["--bind", folder, point],
    ["--make-private", point],
    ["--make-shared", point],
  ]) {
    const { code, stderr } = await runChild("mount", words);
    if (code !== 0) throw new Error(`mount ${words.join(" ")} failed: ${stderr.trim()}`);
  }
}

function bootstrapKubeconfig({ server, caPem, bootstrapToken }: KubeletOptions): string {
  const name = "bootstrap";
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": Buffer.from(caPem).toString("base64") } }],
    users: [{ name, user: { token: bootstrapToken } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
