import { mkdir, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { inBackground } from "../in-background";
import { makeCgroup, removeCgroup } from "../namespaces/cgroups";
import { cniReload, writeCniConfiguration } from "./cni";
import { ContainerEvents } from "./container-events";
import { containerProcesses, killInContainer } from "./container-processes";
import { Containerd, containerdSocket } from "./containerd";
import type { Daemon } from "./daemon";
import { startKubeProxy } from "./kube-proxy";
import { startKubelet } from "./kubelet";
import { podBridge, podSubnet, type RealNetwork } from "./network";
import type { RealNode, RealNodeOptions } from "./options";
import { killShims, unmountBelow } from "./rests";
import { createBootstrapToken } from "./node-credential";

export type { ContainerListener, ContainerTimes } from "./container-events";
export type { KillTarget } from "./container-processes";
export type { Taint } from "./kubelet";
export type { NodeImage, NodePackages, NodeParts, RealNode, RealNodeOptions } from "./options";
export { machineAddress, podRange, startNetwork, type RealNetwork } from "./network";

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
  const stop = () => (stopping ??= stopAll(stops));
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

/** One that fails does not keep the others from being tried. */
async function stopAll(stops: (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (let next = stops.pop(); next !== undefined; next = stops.pop()) {
    await next().catch((error: unknown) => errors.push(error));
  }
  if (errors.length > 0) throw errors[0];
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
  const onUnexpectedEnd = (error: Error) => {
    print(error.message);
  };
  const env = {
    PATH: [packages.iptables, process.env["PATH"] ?? ""].join(delimiter),
    HOME: folder,
  };
  await mkdir(folder, { recursive: true, mode: 0o711 });
  stops.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  stops.push(() => rm(runFolder, { recursive: true, force: true, maxRetries: 5 }));
  stops.push(() => unmountBelow([folder, runFolder]));
  await makeCgroup(cgroupRoot);
  stops.push(() => removeCgroup(cgroupRoot));

  const pods = { bridge: podBridge(index), subnet: podSubnet(index), mtu: network.mtu };
  const cniFolder = join(folder, "cni");
  await writeCniConfiguration(cniFolder, join(runFolder, "cni"), pods);
  const token = inBackground(createBootstrapToken(client, signal));

  const containerd = await Containerd.start(
    {
      ...{ nodeName: name, containerd: parts.containerd.path, runc: packages.runc, cniPlugins: packages.cni },
      ...{ cniConfiguration: cniFolder, folder: join(folder, "containerd"), runFolder, env, onUnexpectedEnd },
      pauseImage: pause.reference,
    },
    signal,
  );
  stops.push(() => killShims(containerdSocket(runFolder)));
  stops.push(() => containerd.daemon.stop());
  // Every container at once; containerd, still there, buries them.
  stops.push(() => removeCgroup(cgroupRoot));
  const events = new ContainerEvents(containerd, (error) => {
    print(`${name}: ${error.message}`);
  });
  events.start();
  stops.push(() => events.stop());

  // Before there is a node: a pod that waits for one must not find its image missing, and then wait out a back-off.
  await Promise.all(images.map(({ archive }) => containerd.importImage(archive, signal)));

  const address = await network.addNode(index);
  stops.push(() => network.removeNode(index));
  const kubelet = await startKubelet({
    ...{ nodeName: name, path: parts.kubelet.path, address, env, cgroupRoot },
    ...{ labels: options.labels ?? {}, taints: options.taints ?? [], maxPods: options.maxPods ?? 32 },
    ...{ folder: join(folder, "kubelet"), rootFolder: join(runFolder, "kubelet"), onUnexpectedEnd },
    containerdSocket: containerdSocket(runFolder),
    ...{ server: controlPlane.nodeServer, caPem: controlPlane.adminKubeconfig.caPem, bootstrapToken: await token },
  });
  stops.push(() => kubelet.stop());
  await startProxyOnce(options, env);
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
  const { network, parts, name, controlPlane, workDir, print } = options;
  const running = proxies.get(network);
  if (running !== undefined) {
    await running;
    return;
  }
  const starting = startKubeProxy({
    ...{ path: parts["kube-proxy"].path, nodeName: name, access: controlPlane.adminKubeconfig, env },
    folder: join(workDir, "kube-proxy"),
    onUnexpectedEnd: (error) => {
      print(error.message);
    },
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
