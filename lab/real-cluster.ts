import { KubernetesClient } from "../dispatcher/kubernetes/client";
import { type ControlPlane, type ControlPlaneParts, startControlPlane } from "./control-plane";
import type { DebianPackages } from "./debian";
import type { Images } from "./images";
import {
  machineAddress,
  type NodeParts,
  type RealNetwork,
  type RealNode,
  type RealNodeOptions,
  startNetwork,
  startRealNode,
} from "./real-node";

/** How to start a {@link RealCluster}. */
export interface RealClusterOptions {
  readonly parts: ControlPlaneParts & NodeParts;
  readonly packages: DebianPackages;
  readonly images: Images;
  /** From `inside()`. */
  readonly workDir: string;
  /** From `inside()`. */
  readonly cgroup: string;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** What a caller decides about a node. */
export type NodeRequest = Pick<RealNodeOptions, "name" | "labels" | "taints" | "maxPods"> & {
  /** Which images it has; it can pull none. Default: all. */
  readonly images?: RealNodeOptions["images"];
};

/** A real control plane and real nodes, in namespaces of the lab's own. */
export interface RealCluster {
  readonly network: RealNetwork;
  readonly controlPlane: ControlPlane;
  /** May do everything. */
  readonly client: KubernetesClient;
  /** Starts a node and waits until it is Ready. */
  readonly startNode: (request: NodeRequest) => Promise<RealNode>;
  /** Ends all of it, in reverse order. */
  stop(): Promise<void>;
}

/**
 * Starts network and control plane; nodes come by `startNode`. Only in the inner process of `runInNamespaces`.
 *
 * @throws with the last words of what did not start; nothing of it runs then.
 */
export async function startRealCluster(options: RealClusterOptions): Promise<RealCluster> {
  const { parts, packages, images, workDir, cgroup, signal, print } = options;
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) {
      await next();
    }
  };
  try {
    const network = await startNetwork({ signal });
    const nodeNetwork = { apiServerAddress: machineAddress };
    const controlPlane = await startControlPlane({ parts, workDir, nodeNetwork, signal, print });
    stops.push(() => controlPlane.stop());
    const { server, caPem, clientCertPem, clientKeyPem } = controlPlane.adminKubeconfig;
    const client = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
    stops.push(() => {
      client.close();
      return Promise.resolve();
    });
    let nodes = 0;
    return {
      ...{ network, controlPlane, client, stop },
      startNode: async (request) => {
        nodes += 1;
        const node = await startRealNode({
          ...{ controlPlane, client, network, parts, workDir, signal, print },
          ...{ packages: { runc: packages.runc, cni: packages.cni, iptables: packages.tools } },
          ...{ images: Object.values(images), index: nodes, cgroupRoot: cgroup },
          ...request,
        });
        stops.push(() => node.stop());
        return node;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
