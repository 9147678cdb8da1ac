import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { ControlPlane } from "../control-plane";
import type { ContainerListener, ContainerTimes } from "./container-events";
import type { KillTarget } from "./container-processes";
import type { Taint } from "./kubelet";
import type { RealNetwork } from "./network";

/** The binaries of a node, by path. */
export interface NodeParts {
  kubelet: { path: string };
  "kube-proxy": { path: string };
  /** containerd-shim-runc-v2 and ctr lie beside it. */
  containerd: { path: string };
}

/** What a node needs of a distribution. */
export interface NodePackages {
  /** Path of runc. */
  runc: string;
  /** Folder of the CNI plugins: bridge, host-local, loopback. */
  cni: string;
  /** Folder in which `iptables` and its siblings can be run. */
  iptables: string;
}

/** An image as an OCI archive. */
export interface NodeImage {
  reference: string;
  /** Absolute. */
  archive: string;
}

/** What a node is started with. */
export interface RealNodeOptions {
  /** Started with `nodeNetwork`. */
  controlPlane: ControlPlane;
  client: KubernetesClient;
  network: RealNetwork;
  parts: NodeParts;
  packages: NodePackages;
  /** All that the node's pods use; nothing can be pulled. The one called `.../pause` is for the sandboxes. */
  images: readonly NodeImage[];
  name: string;
  /** From 1, each node of a lab another one: decides its addresses. */
  index: number;
  labels?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
  /** Default 32. */
  maxPods?: number;
  /** On disk; the node keeps everything in a folder of its name there. */
  workDir: string;
  /** From the root of every cgroup hierarchy: the run's folder, from `inside()`. */
  cgroupRoot: string;
  signal?: AbortSignal;
  print: (line: string) => void;
}

/** A node with a real kubelet, containerd and runc. */
export interface RealNode {
  name: string;
  address: string;
  /** Starts and ends of every container, from containerd's own events. */
  containers: {
    /** The latest instance. */
    of(podUid: string, container: string): ContainerTimes | undefined;
    /** @returns ends the listening. */
    onChange(listener: ContainerListener): () => void;
  };
  /** The processes of a running container in the lab's own numbering, the first one first. Empty when it has ended. */
  pids(podUid: string, container: string): Promise<number[]>;
  /** SIGKILL from outside. @throws when there is no such process. */
  kill(podUid: string, container: string, which: KillTarget): Promise<void>;
  /** Stops and starts the kubelet; the containers run on. Waits until it answers. */
  restartKubelet(): Promise<void>;
  stopKubelet(): Promise<void>;
  startKubelet(): Promise<void>;
  /** The MTU of pods made from now on. */
  setPodMtu(mtu: number): Promise<void>;
  /** Paths of the logs of kubelet and containerd. */
  logs: readonly string[];
  /** Ends kubelet, containers and containerd, and removes the node's files. The Node object stays. May be called more than once. */
  stop(): Promise<void>;
}
