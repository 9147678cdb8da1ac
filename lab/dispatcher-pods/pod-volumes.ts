import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { writeAtomically } from "../kubelet/atomic-folder";
import { ObjectReader } from "../kubelet/keyed-objects";
import type { Pod, Volume } from "../kubelet/pod";
import { referencesOf, volumeFiles } from "../kubelet/volume-content";

/** A kubelet renews a token when this share of its life is over. */
const RENEW_AT = 0.8;

/** The volumes of one pod in folders of this host, kept as the objects behind them change. */
export class PodVolumes {
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly mountFolders = new Map<string, string>();

  /**
   * @param folder of this pod, made here.
   * @param user that must be able to read; undefined: nobody but the lab's own.
   */
  constructor(
    private readonly pod: Pod,
    private readonly folder: string,
    private readonly user: number | undefined,
    private readonly client: KubernetesClient,
    private readonly signal: AbortSignal,
  ) {}

  /** Mount path to folder, longest path first, so that a mount inside another one is found. */
  get mounts(): ReadonlyMap<string, string> {
    return new Map([...this.mountFolders].sort(([a], [b]) => b.length - a.length));
  }

  /** Writes all volumes. @throws ContainerConfigError when an object or key is missing. */
  async mount(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await chmod(this.folder, 0o755);
    const reader = this.reader();
    for (const volume of this.pod.spec.volumes ?? []) {
      await this.write(volume, reader);
    }
    for (const { name, mountPath, subPath } of this.pod.spec.containers[0]?.volumeMounts ?? []) {
      const folder = join(this.folder, name);
      this.mountFolders.set(mountPath, subPath === undefined ? folder : join(folder, subPath));
    }
    this.renewTokens();
  }

  /** Writes the volumes made from this object anew; `reference` is `secret/<name>` or `configmap/<name>`. */
  async refresh(reference: string): Promise<void> {
    for (const volume of this.pod.spec.volumes ?? []) {
      if (referencesOf(volume).has(reference)) {
        await this.write(volume, this.reader());
      }
    }
  }

  /** Ends renewals and removes the folders. */
  async remove(): Promise<void> {
    this.timers.forEach(clearInterval);
    await rm(this.folder, { recursive: true, force: true });
  }

  private reader(): ObjectReader {
    return new ObjectReader(this.client, this.pod.metadata.namespace, this.signal);
  }

  private async write(volume: Volume, reader: ObjectReader): Promise<void> {
    const folder = join(this.folder, volume.name);
    const files = await volumeFiles(volume, this.pod, reader, this.client);
    const group = this.user === undefined ? undefined : (this.pod.spec.securityContext?.fsGroup ?? this.user);
    if (files === undefined) {
      // An emptyDir is the container's own, the one place where it may write.
      await mkdir(folder, { recursive: true });
      if (this.user !== undefined) {
        await chown(folder, this.user, group ?? this.user);
      }
      return;
    }
    const declared = volume.secret ?? volume.configMap ?? volume.projected ?? volume.downwardAPI;
    const token = volume.projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken !== undefined);
    const mode = token === true ? 0o600 : (declared?.defaultMode ?? 0o644);
    // With an fsGroup a kubelet lets the group read whatever the mode said.
    await writeAtomically(folder, files, { group, fileMode: group === undefined ? mode : mode | 0o440 });
    await chmod(folder, 0o755);
  }

  private renewTokens(): void {
    for (const volume of this.pod.spec.volumes ?? []) {
      const token = volume.projected?.sources?.find((source) => source.serviceAccountToken !== undefined);
      if (token?.serviceAccountToken === undefined) {
        continue;
      }
      const seconds = token.serviceAccountToken.expirationSeconds ?? 3600;
      const timer = setInterval(
        () => {
          this.write(volume, this.reader()).catch(() => undefined);
        },
        seconds * RENEW_AT * 1000,
      );
      timer.unref();
      this.timers.push(timer);
    }
  }
}
