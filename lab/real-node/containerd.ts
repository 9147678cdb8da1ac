import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { runChild } from "../parts/child";
import { Daemon } from "./daemon";

/** The container runtime of one node. */
export interface ContainerdOptions {
  /** For messages. */
  nodeName: string;
  /** The binary; containerd-shim-runc-v2 and ctr lie beside it. */
  containerd: string;
  runc: string;
  /** Folder of the CNI plugins. */
  cniPlugins: string;
  cniConfiguration: string;
  /** On disk: images and the containers' file systems. */
  folder: string;
  /** In memory: sockets and state. Short, because the path of a socket may have 107 bytes. */
  runFolder: string;
  /** Reference of the image for pod sandboxes. */
  pauseImage: string;
  env: NodeJS.ProcessEnv;
  /** Hears when it ends without having been told to. */
  onUnexpectedEnd: (error: Error) => void;
}

/** The namespace, in containerd's sense, of what a kubelet runs. */
export const kubernetesNamespace = "k8s.io";

/** What containerd is told. It differs from a GKE node: a full disk, oom scores and registries are none of its business. */
function configuration(options: ContainerdOptions): string {
  const quoted = (text: string) => JSON.stringify(text);
  return `version = 3
root = ${quoted(join(options.folder, "root"))}
state = ${quoted(join(options.runFolder, "state"))}
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.internal.v1.opt"]

[grpc]
address = ${quoted(containerdSocket(options.runFolder))}

[ttrpc]
address = ${quoted(join(options.runFolder, "containerd.sock.ttrpc"))}

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = ${quoted(options.pauseImage)}

[plugins."io.containerd.cri.v1.runtime"]
# Root in a container may not lower its oom score without CAP_SYS_RESOURCE.
restrict_oom_score_adj = true
disable_apparmor = true
enable_selinux = false
drain_exec_sync_io_timeout = "0s"

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [${quoted(options.cniPlugins)}]
conf_dir = ${quoted(options.cniConfiguration)}
max_conf_num = 1

[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = ${quoted(options.runc)}
Root = ${quoted(join(options.runFolder, "runc"))}
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri"]
disable_tcp_service = true
`;
}

/** Where a containerd answers. */
export function containerdSocket(runFolder: string): string {
  return join(runFolder, "containerd.sock");
}

/** A running containerd. */
export class Containerd {
  readonly daemon: Daemon;
  readonly #options: ContainerdOptions;

  private constructor(daemon: Daemon, options: ContainerdOptions) {
    this.daemon = daemon;
    this.#options = options;
  }

  /** @throws with its last errors when it does not answer within 30 s. */
  static async start(options: ContainerdOptions, signal?: AbortSignal): Promise<Containerd> {
    await mkdir(options.folder, { recursive: true });
    await mkdir(options.runFolder, { recursive: true });
    const configurationPath = join(options.folder, "config.toml");
    await writeFile(configurationPath, configuration(options));
    const daemon = new Daemon({
      name: `${options.nodeName}: containerd`,
      path: options.containerd,
      arguments: ["--config", configurationPath],
      // It finds its shim, and its CNI plugins find iptables, on PATH.
      env: {
        ...options.env,
        PATH: [dirname(options.containerd), options.env["PATH"] ?? ""].join(delimiter),
        TMPDIR: options.folder,
      },
      logPath: join(options.folder, "containerd.log"),
      cwd: "/",
      onUnexpectedEnd: options.onUnexpectedEnd,
    });
    daemon.start();
    const containerd = new Containerd(daemon, options);
    await daemon.until("an answer", () => containerd.#answers(), 30, signal);
    return containerd;
  }

  /** Path of ctr, and the arguments that lead it here. */
  get ctr(): { path: string; arguments: string[] } {
    return {
      path: join(dirname(this.#options.containerd), "ctr"),
      arguments: ["--address", containerdSocket(this.#options.runFolder), "--namespace", kubernetesNamespace],
    };
  }

  /** Where a running container's bundle is kept. */
  bundle(containerId: string): string {
    const task = join("io.containerd.runtime.v2.task", kubernetesNamespace, containerId);
    return join(this.#options.runFolder, "state", task);
  }

  /** Runs ctr to its end. @throws with what it complained about. */
  async run(commandArguments: string[], signal?: AbortSignal): Promise<string> {
    const child = await runChild(this.ctr.path, [...this.ctr.arguments, ...commandArguments], {
      env: this.#options.env,
      signal,
    });
    if (child.code !== 0) throw new Error(`ctr ${commandArguments.join(" ")} failed: ${child.stderr.trim()}`);
    return child.stdout;
  }

  /** Makes the images of an OCI archive known to the kubelet. */
  async importImage(archive: string, signal?: AbortSignal): Promise<void> {
    // By ctr itself: twice as fast as by containerd's transfer service.
    await this.run(["images", "import", "--local", archive], signal);
  }

  async #answers(): Promise<boolean> {
    const child = await runChild(this.ctr.path, [...this.ctr.arguments, "--timeout", "1s", "containers", "list"], {
      env: this.#options.env,
    });
    return child.code === 0;
  }
}
