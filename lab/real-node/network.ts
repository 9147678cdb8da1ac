import { runChild } from "../parts/child";

/**
 * What stands in for the network of a cluster, in a network namespace of its own: one bridge device with the machine's
 * address, the nodes' addresses beside it, a default route, and per node a bridge with its pods.
 *
 * It models: pods have addresses of their own, reach each other, the API server (by the `kubernetes` Service) and what
 * listens on the machine's address; the MTU of pods can be set. It does not prove: anything about VPC routing, network
 * policy, DNS (there is none), or load balancers. All nodes share one network namespace, so one kube-proxy serves all.
 */
export interface RealNetwork {
  /** The machine's address: what listens there can be reached by pods and nodes. */
  address: string;
  /** Adds the address of a node, counted from 1, and returns it. */
  addNode(index: number): Promise<string>;
  /** Takes its address and its pods' bridge away. */
  removeNode(index: number): Promise<void>;
  /** MTU of the pods' interfaces where a node is not told otherwise. */
  mtu: number;
}

export const machineAddress = "10.240.0.1";
/** All pods of all nodes. */
export const podRange = "10.244.0.0/16";
const device = "uplink0";
/** As on GKE. */
const defaultMtu = 1460;

/** The name of one node's bridge; a device's name has at most 15 characters. */
export function podBridge(index: number): string {
  return `pods-${index}`;
}

function nodeAddress(index: number): string {
  return `10.240.0.${10 + index}`;
}

/** The addresses of one node's pods. */
export function podSubnet(index: number): string {
  return `10.244.${index}.0/24`;
}

/**
 * Makes the network. Only in the inner process: it sets what belongs to the network namespace.
 *
 * @throws with what `ip` says.
 */
export async function startNetwork(options: { mtu?: number; signal?: AbortSignal } = {}): Promise<RealNetwork> {
  const mtu = options.mtu ?? defaultMtu;
  // A bridge without ports, because not every kernel has dummy devices; it is up although nothing is plugged in.
  await ip(["link", "add", device, "type", "bridge"], options.signal);
  await ip(["addr", "add", `${machineAddress}/24`, "dev", device], options.signal);
  await ip(["link", "set", device, "up"], options.signal);
  // Kubelet and API server look for the machine's address by the default route.
  await ip(["route", "add", "default", "dev", device], options.signal);
  for (const [name, value] of [
    ["net/ipv4/ip_forward", "1"],
    // Answers between pods of one node pass the rules of Services, too.
    ["net/bridge/bridge-nf-call-iptables", "1"],
  ] as const) {
    await set(name, value, options.signal);
  }
  return {
    address: machineAddress,
    mtu,
    addNode: async (index) => {
      await ip(["addr", "replace", `${nodeAddress(index)}/24`, "dev", device], options.signal);
      return nodeAddress(index);
    },
    removeNode: async (index) => {
      await ip(["addr", "del", `${nodeAddress(index)}/24`, "dev", device]);
      // Without a pod there never was one.
      await ip(["link", "del", podBridge(index)]).catch(() => undefined);
    },
  };
}

async function ip(commandArguments: string[], signal?: AbortSignal): Promise<void> {
  const { code, stderr } = await runChild("ip", commandArguments, { signal });
  if (code !== 0) throw new Error(`ip ${commandArguments.join(" ")} failed: ${stderr.trim()}`);
}

async function set(name: string, value: string, signal?: AbortSignal): Promise<void> {
  const { code, stderr } = await runChild("sh", ["-c", `echo ${value} > /proc/sys/${name}`], { signal });
  if (code !== 0) throw new Error(`cannot set ${name}: ${stderr.trim()}`);
}
