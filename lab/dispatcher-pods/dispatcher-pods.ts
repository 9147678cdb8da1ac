/**
 * A stand-in for the kubelet of the dispatcher's pods: each pod of the Deployment that the real scheduler bound to a
 * kwok node becomes a process of this host.
 *
 * Models: volumes from ConfigMaps, Secrets, the service account's token (a TokenRequest bound to the pod) and the
 * downward API, updated in place; environment; the container's user where we are root; probes for real; restarts with
 * back-off; preStop sleep, SIGTERM, grace period; the statuses from which the controllers make endpoints.
 * Does not prove: the image, its Node version, a read-only root file system, dropped capabilities, seccomp, memory and
 * cpu limits, network policies, cluster networking and DNS: there is no container.
 */
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer, type KubernetesObject } from "../../dispatcher/kubernetes/informer";
import { Watchdog } from "../control-plane/watchdog";
import { isTerminal, type Pod } from "../kubelet/pod";
import { DispatcherPod } from "./dispatcher-pod";
import { containerRuntime, type ContainerRuntime } from "./image-node";

/** How to make {@link DispatcherPods}. */
export interface DispatcherPodsOptions {
  readonly client: KubernetesClient;
  /** The API server as a pod reaches it: `https://127.0.0.1:<port>`. */
  readonly server: string;
  /** Where each pod's output goes, one file per pod; made when it is not there, and left. */
  readonly logFolder: string;
  /** Divides the kubelet's own waits: restart back-off and preStop sleep. */
  readonly timeScale: number;
  /** Default: the component label of the dispatcher. */
  readonly labelSelector?: string;
  /** Hears what went wrong in the stand-in itself. */
  readonly onError?: (error: unknown) => void;
}

/** The user of the image and of the pod's securityContext. */
const USER = 65532;
const SELECTOR = "app.kubernetes.io/component=webhook-dispatcher";

/** See the top of this file. */
export class DispatcherPods {
  private readonly stopping = new AbortController();
  private readonly informers: { start(signal: AbortSignal): Promise<void> }[];
  private readonly pods = new Map<string, DispatcherPod>();
  private readonly lives = new Set<Promise<void>>();
  private readonly listeners = new Set<() => void>();
  private readonly logs: string[] = [];
  private runtime: ContainerRuntime | undefined;
  private watchdog: Watchdog | undefined;
  private folder = "";
  private started = 0;

  constructor(private readonly options: DispatcherPodsOptions) {
    const { client, onError } = options;
    const objects = (kind: "secret" | "configmap"): Informer<string> =>
      new Informer<string>({
        client,
        path: `/api/v1/${kind}s`,
        keep: ({ metadata }: KubernetesObject) => `${metadata.namespace ?? ""}/${kind}/${metadata.name}`,
        onChange: (change, key) => {
          if (change === "modified") {
            this.onObject(key);
          }
        },
        onError,
      });
    this.informers = [
      objects("secret"),
      objects("configmap"),
      new Informer<Pod, Pod>({
        client,
        path: "/api/v1/pods",
        query: { labelSelector: options.labelSelector ?? SELECTOR },
        keep: (pod) => pod,
        onChange: (change, pod) => {
          this.onPod(change, pod);
        },
        onError,
      }),
    ];
  }

  /** Resolves once the pods there are were read; their processes may still be starting. */
  async start(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-pods-"));
    // The pods' user must be able to go through it, nobody needs to list it.
    await chmod(this.folder, 0o711);
    await mkdir(this.options.logFolder, { recursive: true });
    this.watchdog = new Watchdog(this.folder);
    this.runtime = await containerRuntime(this.folder, USER);
    for (const informer of this.informers) {
      await informer.start(this.stopping.signal);
    }
  }

  /** Kills every process, waits until they are gone and removes the folders; the logs stay. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.lives);
    if (this.folder !== "") {
      await rm(this.folder, { recursive: true, force: true });
    }
    await this.watchdog?.dismiss();
  }

  /** Base URLs of the ready pods' webhook ports, without a path. */
  targets(): string[] {
    return [...this.pods.values()].filter(({ ready }) => ready).flatMap(({ url }) => url ?? []);
  }

  /** Hears when the targets may have changed; returns how to stop hearing. */
  onTargets(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  /** The pods that live now, for whoever wants to look inside or to kill one. */
  list(): readonly DispatcherPod[] {
    return [...this.pods.values()];
  }

  /** Log files of all pods there have been. */
  logPaths(): readonly string[] {
    return this.logs;
  }

  /** User id of the processes; undefined: the lab's own, because we may not change to the container's. */
  get user(): number | undefined {
    return this.runtime?.user;
  }

  private onPod(change: "added" | "modified" | "deleted", pod: Pod): void {
    const known = this.pods.get(pod.metadata.uid);
    if (change === "deleted") {
      known?.vanish();
    } else if (known !== undefined) {
      known.update(pod);
    } else if (pod.spec.nodeName !== undefined && !isTerminal(pod) && this.runtime !== undefined) {
      this.add(pod, this.runtime);
    }
  }

  private add(pod: Pod, runtime: ContainerRuntime): void {
    const { client, timeScale, logFolder, server } = this.options;
    const { hostname: host, port } = new URL(server);
    const logPath = join(logFolder, `${pod.metadata.name}.log`);
    this.logs.push(logPath);
    this.started += 1;
    const one = new DispatcherPod(pod, {
      client,
      runtime,
      apiServer: { host, port: port === "" ? "443" : port },
      timeScale,
      folder: join(this.folder, pod.metadata.uid),
      logPath,
      ip: `10.64.0.${(this.started % 250) + 2}`,
      signal: this.stopping.signal,
      onChange: () => {
        this.listeners.forEach((listener) => {
          listener();
        });
      },
    });
    this.pods.set(pod.metadata.uid, one);
    one.update(pod);
    const life = one
      .run()
      .catch((error: unknown) => {
        if (!this.stopping.signal.aborted) {
          this.options.onError?.(error);
        }
      })
      .finally(() => {
        this.pods.delete(pod.metadata.uid);
        this.lives.delete(life);
      });
    this.lives.add(life);
  }

  private onObject(key: string): void {
    const [namespace, kind, name] = key.split("/");
    for (const pod of this.pods.values()) {
      if (pod.namespace === namespace) {
        pod.refresh(`${kind ?? ""}/${name ?? ""}`).catch((error: unknown) => this.options.onError?.(error));
      }
    }
  }
}
