import { setTimeout as sleep } from "node:timers/promises";
import { AGENT_CONTAINER } from "../../components/contract";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import { containerEnvironment } from "../kubelet/environment";
import { ContainerConfigError, ObjectReader } from "../kubelet/keyed-objects";
import type { Container, Pod, PodStatus } from "../kubelet/pod";
import type { AgentConnection } from "./agent-connection";
import { runAgent, type AgentExit } from "./agent-process";
import { AgentSignals } from "./agent-signals";
import { fetchJobToken, needsJobToken } from "./job-token";
import { agentEndedStatus, configErrorStatus, endedStatus, initFailedStatus, startedStatus } from "./pod-status";

/** From the agent's end to the docker daemon's: its own graceful stop, as measured on a real kubelet. */
const SIDECAR_STOP_MS = 1_000;
/** Between two tries to make a container whose Secret is missing. */
const CONFIG_RETRY_MS = 1_000;

/** What a kubelet writes for a container that it cannot account for. */
const NEVER_STARTED = 137;

/** What every pod's run shares. */
export interface PodRunContext {
  readonly client: KubernetesClient;
  readonly connection: AgentConnection;
  readonly endpoint: string;
  readonly timeScale: number;
  /** The lab ends: everything stops without another word. */
  readonly signal: AbortSignal;
}

/** The kubelet's and the agent's part of one pod: from "the pod runs" to its terminal status. */
export class PodRun {
  private readonly signals = new AgentSignals();
  private stopCause: "deleted" | "deadline" | undefined;
  private isLost = false;
  private sigkill: NodeJS.Timeout | undefined;
  private deadline: NodeJS.Timeout | undefined;

  constructor(
    private pod: Pod,
    private readonly context: PodRunContext,
  ) {
    context.signal.addEventListener("abort", this.onAbort);
  }

  /** The pod as last seen. */
  update(pod: Pod): void {
    this.pod = pod;
    if (pod.metadata.deletionTimestamp !== undefined) {
      this.stop("deleted", pod.metadata.deletionGracePeriodSeconds ?? 30);
    }
  }

  /** The pod object is gone: whatever still runs is killed. */
  kill(): void {
    this.signals.kill();
  }

  /** The node the pod is on. */
  get nodeName(): string | undefined {
    return this.pod.spec.nodeName;
  }

  /** The node is gone: whatever runs dies, and no kubelet is left to tell of it. */
  lose(): void {
    this.isLost = true;
    this.signals.kill();
  }

  /** Runs to the end; returns the agent's exit, undefined when the pod went before the agent started. */
  async run(): Promise<AgentExit | undefined> {
    try {
      const limit = this.pod.spec.activeDeadlineSeconds;
      if (limit !== undefined) {
        // setTimeout takes at most 2^31-1 ms; a build's limit is far below.
        this.deadline = setTimeout(
          () => {
            this.stop("deadline", this.pod.spec.terminationGracePeriodSeconds ?? 30);
          },
          Math.min(limit * 1000, 2 ** 31 - 1),
        );
      }
      const token = needsJobToken(this.pod) ? await this.jobToken() : undefined;
      const found = token === null ? undefined : await this.environment();
      if (found === undefined) {
        return undefined;
      }
      // The agent reads it from its configuration file; a variable is what the simulated one reads.
      const environment = token === undefined || token === null ? found : { ...found, BUILDKITE_AGENT_TOKEN: token };
      const { connection, endpoint, timeScale } = this.context;
      const hostname = this.pod.metadata.name;
      const exit = await runAgent({ environment, endpoint, hostname, connection, signals: this.signals, timeScale });
      await this.end(exit.code);
      return exit;
    } finally {
      clearTimeout(this.deadline);
      clearTimeout(this.sigkill);
      this.context.signal.removeEventListener("abort", this.onAbort);
    }
  }

  private readonly onAbort = (): void => {
    this.signals.kill();
  };

  /** What the init container fetches; null when the pod ends or goes without one. */
  private async jobToken(): Promise<string | null> {
    const { client, timeScale } = this.context;
    const token = await fetchJobToken(this.pod, client, timeScale, this.signals.ended).catch(() => undefined);
    if (token === undefined || this.stopCause !== undefined || this.signals.killed) {
      if (!this.signals.killed) {
        await this.patch(initFailedStatus(this.pod));
      }
      return null;
    }
    await this.patch(startedStatus(this.pod));
    return token;
  }

  /** Tries until the container can be made; undefined when the pod goes first. */
  private async environment(): Promise<Record<string, string> | undefined> {
    let told = false;
    while (!this.signals.killed) {
      if (this.stopCause !== undefined) {
        // A kubelet starts no container in a pod that must end.
        await this.end(NEVER_STARTED);
        return undefined;
      }
      const container = this.agentContainer();
      try {
        const reader = new ObjectReader(this.context.client, this.pod.metadata.namespace, this.context.signal);
        const environment = await containerEnvironment(this.pod, container, reader);
        if (told) {
          await this.patch(startedStatus(this.pod));
        }
        return environment;
      } catch (error) {
        if (error instanceof ContainerConfigError && !told) {
          told = true;
          await this.patch(configErrorStatus(this.pod, error.message));
        }
      }
      await this.signals.wait(CONFIG_RETRY_MS, true);
    }
    return undefined;
  }

  /** What a kubelet does to a pod that must end: preStop, SIGTERM, and SIGKILL when the grace is over. */
  private stop(cause: "deleted" | "deadline", graceSeconds: number): void {
    if (this.stopCause !== undefined) {
      return;
    }
    this.stopCause = cause;
    this.sigkill = setTimeout(() => {
      this.signals.kill();
    }, graceSeconds * 1000);
    // Without the hook a plain agent only hears SIGTERM: it goes on with its build and is killed in the middle of it.
    const hook = this.agentContainer().lifecycle?.preStop?.exec?.command?.join(" ") ?? "";
    if (/\bkill\b.*-(s\s*)?(SIG)?QUIT\b/.test(hook)) {
      this.signals.quit();
    }
    this.signals.terminate();
  }

  /** Writes how the pod ended: first the agent, then, once the sidecar has stopped, everything. */
  private async end(exitCode: number): Promise<void> {
    if (this.context.signal.aborted) {
      return;
    }
    const end = { exitCode, finishedAt: Date.now() };
    if (this.stopCause === undefined) {
      await this.patch(agentEndedStatus(this.pod, end));
      await sleep(SIDECAR_STOP_MS, undefined, { signal: this.context.signal }).catch(() => undefined);
    }
    const reason =
      this.stopCause === "deadline"
        ? { reason: "DeadlineExceeded", message: "Pod was active on the node longer than the specified deadline" }
        : {};
    await this.patch(endedStatus(this.pod, end, reason));
  }

  private agentContainer(): Container {
    return this.pod.spec.containers.find(({ name }) => name === AGENT_CONTAINER) ?? { name: AGENT_CONTAINER };
  }

  /** A strategic merge, so that conditions are merged by type; a pod that is gone needs no status. */
  private async patch(status: Partial<PodStatus>): Promise<void> {
    const { namespace, name, uid } = this.pod.metadata;
    for (let attempt = 0; attempt < 5 && !this.context.signal.aborted && !this.isLost; attempt += 1) {
      try {
        await this.context.client.request("PATCH", `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
          contentType: "application/strategic-merge-patch+json",
          // The uid makes the API server refuse a pod of the same name that is another one.
          body: { metadata: { uid }, status },
          signal: this.context.signal,
        });
        return;
      } catch (error) {
        if (error instanceof KubernetesError && [404, 409, 422].includes(error.status)) {
          return;
        }
        await sleep(200 * 2 ** attempt, undefined, { signal: this.context.signal }).catch(() => undefined);
      }
    }
  }
}
