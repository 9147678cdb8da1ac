import { mkdir, readFile, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { ControlPlane } from "../control-plane";
import { makeCgroup, removeCgroup } from "../namespaces/cgroups";
import { runChild } from "../parts/child";
import { cniReload, writeCniConfiguration } from "./cni";
import { ContainerEvents, type ContainerListener, type ContainerTimes } from "./container-events";
import { containerProcesses, killInContainer, type KillTarget } from "./container-processes";
import { Containerd, containerdSocket } from "./containerd";
import type { Daemon } from "./daemon";
import { startKubeProxy } from "./kube-proxy";
import { startKubelet, type Taint } from "./kubelet";
import { podSubnet, type RealNetwork } from "./network";
import { createBootstrapToken } from "./node-credential";

export type { ContainerListener, ContainerTimes } from "./container-events";
export type { KillTarget } from "./container-processes";
export type { Taint } from "./kubelet";
export { machineAddress, podRange, startNetwork, type RealNetwork } from "./network";

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

interface NodeObject {
  status?: { conditions?: { type: string; status: string }[] };
}

const readySeconds = 60;
const proxies = new WeakMap<RealNetwork, Promise<Daemon>>();

/**
 * Starts a node and waits until it is Ready and its images are there. Only in the inner process of `runInNamespaces`.
 *
 * It models a GKE node in what decides how pods start and end: kubelet and containerd with their defaults. It does not
 * prove: containers on cgroup v2 (where the machine has v1), GKE's image, gVisor, image pulls, or the machine's size.
 *
 * @throws with the last errors of what did not start; nothing of it runs then.
 */
export async function startRealNode(options: RealNodeOptions): Promise<RealNode> {
  const { name, signal, print } = options;
  const began = Date.now();
  const stops: (() => Promise<unknown>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
    })());
  try {
    const node = await startParts(options, stops, stop);
    print(`${name}: ready after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    return node;
  } catch (error) {
    await stop();
    signal?.throwIfAborted();
    throw error;
  }
}

async function startParts(
  options: RealNodeOptions,
  stops: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<RealNode> {
  const { name, index, client, controlPlane, network, parts, packages, images, signal, print } = options;
  const pause = images.find(({ reference }) => /\/pause[:@]/.test(reference));
  if (pause === undefined) throw new Error(`${name}: images must hold one called .../pause:<tag>`);
  if (controlPlane.nodeServer === undefined)
    throw new Error(`${name}: the control plane was started without nodeNetwork`);

  const folder = join(options.workDir, name);
  const runFolder = `/run/node-${index}`;
  const cgroupRoot = join(options.cgroupRoot, name);
  const env = {
    PATH: [packages.iptables, process.env["PATH"] ?? ""].join(delimiter),
    HOME: folder,
  };
  await mkdir(folder, { recursive: true, mode: 0o711 });
  stops.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  stops.push(() => rm(runFolder, { recursive: true, force: true, maxRetries: 5 }));
  stops.push(() => unmountBelow([folder, runFolder]));
  await makeCgroup(cgroupRoot);
  // Ends what still runs in containers, whatever containerd thinks.
  stops.push(() => removeCgroup(cgroupRoot));

  const pods = { bridge: `pods-${index}`, subnet: podSubnet(index), mtu: network.mtu };
  const cniFolder = join(folder, "cni");
  await writeCniConfiguration(cniFolder, join(runFolder, "cni"), pods);
  const token = createBootstrapToken(client, signal);
  token.catch(() => undefined);

  const containerd = await Containerd.start(
    {
      ...{ nodeName: name, containerd: parts.containerd.path, runc: packages.runc, cniPlugins: packages.cni },
      ...{
        cniConfiguration: cniFolder,
        folder: join(folder, "containerd"),
        runFolder,
        pauseImage: pause.reference,
        env,
      },
    },
    signal,
  );
  stops.push(() => containerd.daemon.stop());
  const events = new ContainerEvents(containerd, (error) => {
    print(`${name}: ${error.message}`);
  });
  events.start();
  stops.push(() => events.stop());

  const address = await network.nodeAddress(index);
  const kubelet = await startKubelet({
    ...{ nodeName: name, path: parts.kubelet.path, address, env, cgroupRoot },
    ...{ labels: options.labels ?? {}, taints: options.taints ?? [], maxPods: options.maxPods ?? 32 },
    ...{ folder: join(folder, "kubelet"), containerdSocket: containerdSocket(runFolder) },
    ...{ server: controlPlane.nodeServer, caPem: controlPlane.adminKubeconfig.caPem, bootstrapToken: await token },
  });
  stops.push(() => kubelet.stop());
  await startProxyOnce(options, env);
  await Promise.all(images.map(({ archive }) => containerd.importImage(archive, signal)));
  const ready = () => isReady(client, name);
  await kubelet.until("the node Ready", ready, readySeconds, signal);

  const firstPid = (podUid: string, container: string) => {
    const times = events.of(podUid, container);
    return times === undefined || times.endedAt !== undefined ? undefined : times.pid;
  };
  const startAgain = async () => {
    kubelet.start();
    await kubelet.until("an answer", () => answers(`http://${address}:10248/healthz`), readySeconds);
  };
  return {
    name,
    address,
    containers: {
      of: (uid, container) => events.of(uid, container),
      onChange: (listener) => events.onChange(listener),
    },
    pids: async (uid, container) => {
      const pid = firstPid(uid, container);
      return pid === undefined ? [] : containerProcesses(pid);
    },
    kill: async (uid, container, which) => {
      const pid = firstPid(uid, container);
      if (pid === undefined) throw new Error(`${name}: container ${container} of pod ${uid} does not run`);
      await killInContainer(pid, which);
    },
    restartKubelet: async () => {
      await kubelet.stop();
      await startAgain();
    },
    stopKubelet: () => kubelet.stop(),
    startKubelet: startAgain,
    setPodMtu: async (mtu) => {
      await writeCniConfiguration(cniFolder, join(runFolder, "cni"), { ...pods, mtu });
      await cniReload(signal);
    },
    logs: [join(folder, "kubelet", "kubelet.log"), join(folder, "containerd", "containerd.log")],
    stop,
  };
}

/** The nodes share a network namespace, so the first one's kube-proxy serves them all; it ends with the namespace. */
async function startProxyOnce(options: RealNodeOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const { network, parts, name, controlPlane, workDir } = options;
  const running = proxies.get(network);
  if (running !== undefined) {
    await running;
    return;
  }
  const starting = startKubeProxy({
    ...{ path: parts["kube-proxy"].path, nodeName: name, access: controlPlane.adminKubeconfig, env },
    folder: join(workDir, "kube-proxy"),
  });
  proxies.set(network, starting);
  await starting;
}

async function isReady(client: KubernetesClient, name: string): Promise<boolean> {
  const node = await client.request<NodeObject>("GET", `/api/v1/nodes/${name}`).catch(() => undefined);
  return node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.ok ?? false;
}

/** Volumes and containers' file systems that are still mounted. */
async function unmountBelow(folders: readonly string[]): Promise<void> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  const points = table.split("\n").flatMap((line) => line.split(" ")[4] ?? []);
  for (const point of points.reverse()) {
    if (!folders.some((folder) => point.startsWith(`${folder}/`))) continue;
    await runChild("umount", ["--lazy", point]);
  }
}
