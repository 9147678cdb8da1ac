import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runChild } from "../parts/child";
import { readAdministratorAccess, statusOf, writeKubeconfig, type AdministratorAccess } from "./administrator";
import { forgetComponent, lastWords, readComponents } from "./components";
import {
  kwokctlConfiguration,
  schedulerConfiguration,
  serviceAccountIssuer,
  type ControlPlaneParts,
  type ControlPlanePorts,
  type NodeNetwork,
} from "./kwokctl-configuration";
import { controlPlaneFolder, recordOwner, removeFolder, removeLeftovers } from "./leftovers";
import { findFreePorts } from "./ports";
import { killProcessesOf } from "./processes";
import { Watchdog } from "./watchdog";

export { contextName, type AdministratorAccess } from "./administrator";
export { removeLeftovers, type Leftovers } from "./leftovers";
export { kubernetesServiceAddress, type ControlPlaneParts, type NodeNetwork } from "./kwokctl-configuration";

/** A running Kubernetes control plane: etcd, API server, controller manager, scheduler, and kwok for the nodes. */
export interface ControlPlane {
  /** Holds all it needs itself; its context is called `contextName`. */
  kubeconfigPath: string;
  adminKubeconfig: AdministratorAccess;
  /** `https://127.0.0.1:<port>`. */
  server: string;
  /** `https://<address>:<port>` as nodes and pods reach it; where a node network was given. */
  nodeServer?: string;
  /** The caller's. */
  workDir: string;
  /** The `iss` of service account tokens. */
  serviceAccountIssuer: string;
  /** Ends every process and removes every file of it. May be called more than once. */
  stop(): Promise<void>;
  /** The ids of the processes that run for it. */
  pids(): number[];
}

/** What a control plane is started with. */
export interface StartOptions {
  parts: ControlPlaneParts;
  /** Absolute. Everything is kept in `<workDir>/control-plane`; made, and removed by `stop`, when it was not there. */
  workDir: string;
  /** For real nodes: the API server is reached under a second address, signs kubelets' certificates and talks to them. */
  nodeNetwork?: NodeNetwork;
  /** Ends the start, not what was started: for that there is `stop`. */
  signal?: AbortSignal;
  print: (line: string) => void;
}

const clusterName = "lab";
const readyMilliseconds = 60_000;
const portAttempts = 3;

/** One of our ports was taken between finding it free and using it. */
class PortTaken extends Error {}

/**
 * Starts a control plane on free ports of 127.0.0.1 and waits until it can be worked with.
 *
 * @throws with the last words of what did not start, or the signal's reason; nothing is left then.
 */
export async function startControlPlane(options: StartOptions): Promise<ControlPlane> {
  if (process.platform !== "linux") {
    throw new Error(`the lab's control plane needs Linux, this is ${process.platform}`);
  }
  const began = Date.now();
  options.print("control plane: starting");
  for (let attempt = 1; ; attempt++) {
    await removeLeftovers(options.workDir);
    try {
      const controlPlane = await startOnce(options);
      const seconds = ((Date.now() - began) / 1000).toFixed(1);
      options.print(`control plane: ready after ${seconds} s at ${controlPlane.server}`);
      return controlPlane;
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === portAttempts) throw error;
      options.print(`control plane: ${error.message}, trying other ports`);
    }
  }
}

async function startOnce(options: StartOptions): Promise<ControlPlane> {
  const { workDir, parts, signal } = options;
  const folder = controlPlaneFolder(workDir);
  await mkdir(workDir, { recursive: true });
  // Keys and certificates are in it.
  await mkdir(folder, { mode: 0o700 });
  const watchdog = new Watchdog(folder);

  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      await killProcessesOf(folder);
      await removeFolder(workDir);
      await watchdog.dismiss();
    })());

  try {
    await recordOwner(folder);
    const ports = await choosePorts();
    const kwokctl = await prepare(folder, parts, ports, options.nodeNetwork);
    await kwokctl.run(["create", "cluster", "--kubeconfig=", ...(await configurationFlags(folder))], signal);
    const access = await readAdministratorAccess(kwokctl.clusterFolder, ports.apiserver);
    await waitUntilReady(kwokctl, access, signal);
    const kubeconfigPath = join(folder, "kubeconfig");
    await writeKubeconfig(kubeconfigPath, access);
    const components = await readComponents(kwokctl.clusterFolder);
    const pids = [...components.map(({ pid }) => pid), ...(watchdog.pid === undefined ? [] : [watchdog.pid])];
    return {
      kubeconfigPath,
      adminKubeconfig: access,
      server: access.server,
      ...(options.nodeNetwork === undefined
        ? {}
        : { nodeServer: `https://${options.nodeNetwork.apiServerAddress}:${ports.apiserver}` }),
      workDir,
      serviceAccountIssuer,
      stop,
      pids: () => (stopping === undefined ? [...pids] : []),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** kwokctl, bound to one cluster folder. */
interface Kwokctl {
  clusterFolder: string;
  run(commandArguments: string[], signal?: AbortSignal): Promise<void>;
}

async function prepare(
  folder: string,
  parts: ControlPlaneParts,
  ports: ControlPlanePorts,
  network?: NodeNetwork,
): Promise<Kwokctl> {
  const bin = join(folder, "bin");
  await mkdir(bin);
  // By a link in our folder, so that it is found like what it starts.
  await symlink(parts.kwokctl.path, join(bin, "kwokctl"));
  // kwokctl asks kubectl whether the API server answers, and would download one. We ask that ourselves.
  await writeFile(join(bin, "kubectl"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const scheduler = join(folder, "scheduler.json");
  await writeFile(scheduler, schedulerConfiguration());
  const clusterFolder = join(folder, "clusters", clusterName);
  const files = { schedulerConfiguration: scheduler, pki: join(clusterFolder, "pki") };
  await writeFile(join(folder, "kwokctl.json"), kwokctlConfiguration(parts, ports, files, network));

  // Nothing of the caller's environment: any KWOK_* variable would change the cluster.
  const env = { PATH: bin, HOME: folder, KWOK_WORKDIR: folder };
  const run = async (commandArguments: string[], signal?: AbortSignal) => {
    const child = await runChild(join(bin, "kwokctl"), [...commandArguments, "--name", clusterName], {
      env,
      signal,
      // What it would do with the time is of no use: all it has begun is removed.
      graceMilliseconds: 0,
    });
    if (child.code !== 0) {
      throw new Error(`kwokctl ${commandArguments.slice(0, 2).join(" ")} failed:\n${child.stderr.trim()}`);
    }
  };
  return { clusterFolder, run };
}

async function configurationFlags(folder: string): Promise<string[]> {
  const stages = join(__dirname, "stages");
  const names = (await readdir(stages)).filter((name) => name.endsWith(".yaml")).sort();
  return [join(folder, "kwokctl.json"), ...names.map((name) => join(stages, name))].map((path) => `--config=${path}`);
}

async function choosePorts(): Promise<ControlPlanePorts> {
  const [etcd, etcdPeer, apiserver, controllerManager, scheduler, kwok] = await findFreePorts(6);
  return { etcd, etcdPeer, apiserver, controllerManager, scheduler, kwok } as ControlPlanePorts;
}

/** Ready is: the API server says so, and the controller manager works, which shows in the service account it makes first. */
async function waitUntilReady(kwokctl: Kwokctl, access: AdministratorAccess, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + readyMilliseconds;
  const questions = ["/readyz", "/api/v1/namespaces/default/serviceaccounts/default"];
  while (questions[0] !== undefined) {
    signal?.throwIfAborted();
    if ((await statusOf(access, questions[0])) === 200) {
      questions.shift();
      continue;
    }
    await reviveComponents(kwokctl, questions.length < 2, signal);
    if (Date.now() > deadline) {
      const words = await lastWords(kwokctl.clusterFolder, "kube-apiserver");
      throw new Error(`the control plane was not ready after ${readyMilliseconds / 1000} s:\n${words}`);
    }
    await sleep(50);
  }
}

/**
 * Looks after the components while they start. The controller manager gives up when the API server takes more than 10 s, as
 * it does on a busy machine: it is started again once there is an API server.
 */
async function reviveComponents(kwokctl: Kwokctl, apiserverReady: boolean, signal?: AbortSignal): Promise<void> {
  const ended = (await readComponents(kwokctl.clusterFolder)).filter((component) => !component.running);
  for (const { name } of ended) {
    const words = await lastWords(kwokctl.clusterFolder, name);
    if (words.includes("address already in use")) throw new PortTaken(`${name} found its port taken`);
    if (name === "etcd" || name === "kube-apiserver") throw new Error(`${name} ended while starting:\n${words}`);
  }
  if (!apiserverReady || ended.length === 0) return;
  for (const { name } of ended) await forgetComponent(kwokctl.clusterFolder, name);
  await kwokctl.run(["start", "cluster"], signal);
}
