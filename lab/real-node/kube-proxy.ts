import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AdministratorAccess } from "../control-plane";
import { Daemon } from "./daemon";
import { machineAddress, podRange } from "./network";

/** The one kube-proxy of all nodes. */
export interface KubeProxyOptions {
  path: string;
  /** A node that is about to register. */
  nodeName: string;
  access: AdministratorAccess;
  folder: string;
  env: NodeJS.ProcessEnv;
  /** Hears when it ends without having been told to. */
  onUnexpectedEnd: (error: Error) => void;
}

/**
 * Starts the real kube-proxy, which keeps the rules by which pods reach Services. Other than on GKE: one for all nodes,
 * since they share a network namespace, and it works with the administrator's rights.
 */
export async function startKubeProxy(options: KubeProxyOptions): Promise<Daemon> {
  const { path, nodeName, access, folder, env } = options;
  await mkdir(folder, { recursive: true });
  const base64 = (pem: string) => Buffer.from(pem).toString("base64");
  const name = "kube-proxy";
  await writeFile(
    join(folder, "kubeconfig"),
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name, cluster: { server: access.server, "certificate-authority-data": base64(access.caPem) } }],
      users: [
        {
          name,
          user: {
            "client-certificate-data": base64(access.clientCertPem),
            "client-key-data": base64(access.clientKeyPem),
          },
        },
      ],
      contexts: [{ name, context: { cluster: name, user: name } }],
      "current-context": name,
    }),
    { mode: 0o600 },
  );
  await writeFile(
    join(folder, "kube-proxy.json"),
    JSON.stringify({
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      mode: "iptables",
      hostnameOverride: nodeName,
      bindAddress: machineAddress,
      healthzBindAddress: "127.0.0.1:10256",
      metricsBindAddress: "127.0.0.1:10249",
      clientConnection: { kubeconfig: join(folder, "kubeconfig") },
      clusterCIDR: podRange,
      detectLocalMode: "ClusterCIDR",
      // These settings belong to the whole machine.
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
      oomScoreAdj: 0,
    }),
  );
  const daemon = new Daemon({
    name: "kube-proxy",
    path,
    arguments: [`--config=${join(folder, "kube-proxy.json")}`],
    env,
    logPath: join(folder, "kube-proxy.log"),
    cwd: "/",
    onUnexpectedEnd: options.onUnexpectedEnd,
  });
  daemon.start();
  return daemon;
}
