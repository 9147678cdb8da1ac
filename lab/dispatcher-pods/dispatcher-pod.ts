import { join } from "node:path";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import { pause } from "../kubelet/pause";
import { findFreePorts } from "../control-plane/ports";
import { containerEnvironment } from "../kubelet/environment";
import { ContainerConfigError, ObjectReader } from "../kubelet/keyed-objects";
import type { Container, Pod } from "../kubelet/pod";
import type { ContainerRuntime } from "./image-node";
import { PodProbes } from "./pod-probes";
import { PodProcess, stopProcess } from "./pod-process";
import { statusOf, type ContainerState } from "./pod-status";
import { PodVolumes } from "./pod-volumes";

/** What every pod shares. */
export interface DispatcherPodContext {
  readonly client: KubernetesClient;
  readonly runtime: ContainerRuntime;
  readonly apiServer: { readonly host: string; readonly port: string };
  /** Divides the kubelet's own waits: restart back-off and the preStop sleep. */
  readonly timeScale: number;
  /** The pod's own folder. */
  readonly folder: string;
  readonly logPath: string;
  readonly ip: string;
  /** The lab ends: processes are killed, nothing more is reported. */
  readonly signal: AbortSignal;
  readonly onChange: () => void;
}

const RETRY_MS = 500;
const FIRST_BACKOFF_MS = 10_000;
const LONGEST_BACKOFF_MS = 300_000;

/** One pod of the Deployment, from its binding to its removal. */
export class DispatcherPod {
  ready = false;
  private readonly volumes: PodVolumes;
  private readonly ports = new Map<string, number>();
  private readonly startedAt = Date.now();
  private readonly deleted = new AbortController();
  private state: ContainerState = { kind: "waiting", reason: "ContainerCreating" };
  private last: Extract<ContainerState, { kind: "terminated" }> | undefined;
  private restarts = 0;
  private process: PodProcess | undefined;
  private probes: PodProbes | undefined;
  private reporting: Promise<void> = Promise.resolve();

  constructor(
    private pod: Pod,
    private readonly context: DispatcherPodContext,
  ) {
    const { folder, runtime, client, signal } = context;
    this.volumes = new PodVolumes(pod, join(folder, "volumes"), runtime.user, client, signal);
    context.signal.addEventListener("abort", this.onAbort);
  }

  /** Base URL of the webhook port, once that is known. */
  get url(): string | undefined {
    const port = this.ports.get("webhook");
    const secure = this.container.readinessProbe?.httpGet?.scheme === "HTTPS";
    return port === undefined ? undefined : `${secure ? "https" : "http"}://127.0.0.1:${port}`;
  }

  /** Base URL of the operations port. */
  get operationsUrl(): string | undefined {
    const port = this.ports.get("operations");
    return port === undefined ? undefined : `http://127.0.0.1:${port}`;
  }

  get name(): string {
    return this.pod.metadata.name;
  }

  get namespace(): string {
    return this.pod.metadata.namespace;
  }

  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** Where its output goes. */
  get logPath(): string {
    return this.context.logPath;
  }

  /** The process's command line, while there is one. */
  get commandLine(): readonly string[] {
    return this.process?.commandLine ?? [];
  }

  /** The pod as the watch has it now. */
  update(pod: Pod): void {
    this.pod = pod;
    if (pod.metadata.deletionTimestamp !== undefined) {
      this.deleted.abort();
    }
  }

  /** The pod object is gone without us: nothing of it may go on. */
  vanish(): void {
    this.deleted.abort();
    this.process?.signal("SIGKILL");
  }

  /** A ConfigMap or Secret changed; see {@link PodVolumes.refresh}. */
  async refresh(reference: string): Promise<void> {
    await this.volumes.refresh(reference);
  }

  /** Lives the pod's whole life. */
  async run(): Promise<void> {
    try {
      const environment = await this.prepare();
      if (environment !== undefined) {
        await this.keepRunning(environment);
      }
      if (!this.context.signal.aborted) {
        await this.report(true);
        await this.deleteObject();
      }
    } finally {
      this.probes?.stop();
      this.setReady(false);
      this.context.signal.removeEventListener("abort", this.onAbort);
      await this.volumes.remove();
    }
  }

  private readonly onAbort = (): void => {
    this.deleted.abort();
    this.process?.signal("SIGKILL");
  };

  private get container(): Container {
    return this.pod.spec.containers[0] ?? { name: "" };
  }

  /** Volumes, ports and environment; tried until they are there or the pod is deleted. */
  private async prepare(): Promise<Record<string, string> | undefined> {
    while (!this.deleted.signal.aborted) {
      try {
        await this.volumes.mount();
        const names = (this.container.ports ?? []).map(({ name, containerPort }) => name ?? String(containerPort));
        const free = await findFreePorts(names.length);
        names.forEach((name, index) => this.ports.set(name, free[index] ?? 0));
        const reader = new ObjectReader(this.context.client, this.pod.metadata.namespace, this.context.signal);
        const known = { ...this.pod, status: { ...this.pod.status, podIP: this.context.ip } };
        return await containerEnvironment(known, this.container, reader);
      } catch (error) {
        const reason = error instanceof ContainerConfigError ? "CreateContainerConfigError" : "ContainerCreating";
        this.state = { kind: "waiting", reason, message: error instanceof Error ? error.message : String(error) };
        await this.report();
        await pause(RETRY_MS, this.deleted.signal);
      }
    }
    return undefined;
  }

  /** Starts the container, again after each end, until the pod is deleted. */
  private async keepRunning(environment: Readonly<Record<string, string>>): Promise<void> {
    let backoff = FIRST_BACKOFF_MS;
    while (!this.deleted.signal.aborted) {
      const { runtime, apiServer, logPath, folder, timeScale } = this.context;
      const { mounts } = this.volumes;
      const hostname = this.name;
      const { container, ports } = this;
      const workingFolder = folder;
      const process = new PodProcess({
        ...{ container, environment, mounts, ports, runtime, workingFolder, logPath, hostname, apiServer },
      });
      this.process = process;
      this.state = { kind: "running", startedAt: process.startedAt };
      this.startProbes(process);
      await this.report();
      const ended = await Promise.race([process.ended, this.deletion()]);
      const { exitCode } = ended ?? (await this.terminate(process));
      this.probes?.stop();
      this.last = { kind: "terminated", exitCode, startedAt: process.startedAt, finishedAt: Date.now() };
      this.state = this.last;
      this.setReady(false);
      if (this.isDeleted()) {
        return;
      }
      this.restarts += 1;
      this.state = { kind: "waiting", reason: "CrashLoopBackOff", message: `the container ended with ${exitCode}` };
      await this.report();
      await pause(backoff / timeScale, this.deleted.signal);
      backoff = Math.min(backoff * 2, LONGEST_BACKOFF_MS);
    }
  }

  /** A call, because the compiler takes a property that was read before an `await` as unchanged after it. */
  private isDeleted(): boolean {
    return this.deleted.signal.aborted;
  }

  private async deletion(): Promise<undefined> {
    const { signal } = this.deleted;
    if (!signal.aborted) {
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve, { once: true });
      });
    }
    return undefined;
  }

  /** preStop, SIGTERM, and SIGKILL when what is left of the grace period is over. */
  private async terminate(process: PodProcess): Promise<{ exitCode: number }> {
    const graceMs = (this.pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
    const sleepMs = (this.container.lifecycle?.preStop?.sleep?.seconds ?? 0) * 1000;
    const { signal, timeScale } = this.context;
    // Load balancers hear of the end late: for half of the preStop sleep webhooks still come here.
    await pause(sleepMs / timeScale / 2, signal);
    this.setReady(false);
    await pause(sleepMs / timeScale / 2, signal);
    return await stopProcess(process, Math.max(2_000, graceMs - sleepMs));
  }

  private startProbes(process: PodProcess): void {
    this.probes = new PodProbes(this.container, this.ports, {
      onReady: (ready) => {
        this.setReady(ready);
        void this.report();
      },
      onDead: () => {
        void stopProcess(process, (this.pod.spec.terminationGracePeriodSeconds ?? 30) * 1000);
      },
    });
  }

  private setReady(ready: boolean): void {
    if (ready !== this.ready) {
      this.ready = ready;
      this.context.onChange();
    }
  }

  /** Writes the status; one after the other, so that an older one never overwrites a newer one. */
  private report(final = false): Promise<void> {
    this.reporting = this.reporting.then(async () => {
      const { startedAt, state, last, ready, restarts } = this;
      const observed = {
        ip: this.context.ip,
        startedAt,
        state,
        last: final ? undefined : last,
        ready,
        restarts,
        final,
      };
      const { namespace, name, uid } = this.pod.metadata;
      await this.context.client
        .request("PATCH", `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
          contentType: "application/strategic-merge-patch+json",
          body: { metadata: { uid }, status: statusOf(this.pod, observed) },
          signal: this.context.signal,
        })
        // The next report repeats it; a pod that is gone needs none.
        .catch(() => undefined);
    });
    return this.reporting;
  }

  /** As a kubelet does once nothing of the pod runs: only then the object goes. */
  private async deleteObject(): Promise<void> {
    const { namespace, name, uid } = this.pod.metadata;
    try {
      await this.context.client.request("DELETE", `/api/v1/namespaces/${namespace}/pods/${name}`, {
        body: { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0, preconditions: { uid } },
        signal: this.context.signal,
      });
    } catch (error) {
      if (!(error instanceof KubernetesError) || (error.status !== 404 && error.status !== 409)) {
        throw error;
      }
    }
  }
}
