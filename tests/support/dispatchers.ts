import { randomUUID } from "node:crypto";
import { jobName } from "../../components/contract";
import { startDispatcher, type RunningDispatcher } from "../../dispatcher/dispatcher";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { KubernetesError } from "../../dispatcher/kubernetes/client";
import type { ObjectMeta } from "../../dispatcher/kubernetes/objects";
import { createLog } from "../../dispatcher/log";
import type { Patience } from "../../dispatcher/patience";
import type { DispatcherSettings } from "../../dispatcher/settings";
import { createAgentsFixture, type AgentsFixture } from "../../lab/bench/agents-fixture";
import type { LogLine } from "../../lab/bench/dispatcher-process";
import type { ControlPlane } from "../../lab/control-plane";
import { administrator, sharedControlPlane } from "./control-plane";
import { SECRET } from "./webhooks";
import { until } from "./until";

/** As the API server returns a Job. */
export interface ObservedJob {
  metadata: ObjectMeta & { creationTimestamp?: string };
  spec: Record<string, unknown>;
  status: { completionTime?: string; conditions?: { type: string; status: string }[] };
}

export interface ObservedPod {
  metadata: ObjectMeta;
}

/** Small enough to be read, whole enough to be a build's pod. */
const POD_SPEC = {
  restartPolicy: "Never",
  terminationGracePeriodSeconds: 1,
  containers: [{ name: "agent", image: "registry.example/agent:1", env: [{ name: "A", value: "1" }] }],
};

/** A dispatcher inside this process. */
export interface LocalDispatcher extends RunningDispatcher {
  url: string;
  operationsUrl: string;
  log: LogLine[];
}

/** How a dispatcher of the tests asks a fake Buildkite. */
export interface ReconcileWith {
  /** With its `/v3`. */
  endpoint: string;
  tokens: readonly string[];
  inFlight: number;
  /** Default 1. */
  intervalSeconds?: number;
  /** Give out job acquisition tokens, with this certificate. */
  jobTokens?: { cert: string; key: string };
}

export interface StartOptions {
  server?: string;
  patience?: Partial<Patience>;
  limits?: Partial<DispatcherSettings["limits"]>;
  /** Default: webhook-only. */
  reconcile?: ReconcileWith;
}

/** A namespace of its own on the shared control plane, and the dispatchers that serve it. */
export class DispatcherBench {
  readonly controlPlane: ControlPlane;
  readonly client: KubernetesClient;
  readonly agents: AgentsFixture;
  readonly #running: LocalDispatcher[] = [];

  private constructor(controlPlane: ControlPlane, client: KubernetesClient, agents: AgentsFixture) {
    this.controlPlane = controlPlane;
    this.client = client;
    this.agents = agents;
  }

  static async create(name: string): Promise<DispatcherBench> {
    const client = await administrator();
    const agents = await createAgentsFixture(client, `${name}-${randomUUID().slice(0, 8)}`, "k8s", POD_SPEC);
    return new DispatcherBench(await sharedControlPlane(), client, agents);
  }

  get settings(): DispatcherSettings {
    return {
      agentsNamespace: this.agents.namespace,
      queues: [
        { key: "k8s", default: true, tags: ["queue=k8s", "docker=true"], template: "k8s", agentMode: "acquire" },
      ],
      mode: "webhook-only",
      limits: { createConcurrency: 16, bufferSize: 1000 },
    };
  }

  /** Starts a dispatcher and waits until it is ready. */
  async start(options: StartOptions = {}): Promise<LocalDispatcher> {
    const { caPem, server } = this.controlPlane.adminKubeconfig;
    const log: LogLine[] = [];
    const { reconcile } = options;
    const tokensTls = reconcile?.jobTokens;
    const settings = reconcile === undefined ? this.settings : this.reconcileSettings(reconcile);
    const dispatcher = await startDispatcher({
      settings: { ...settings, limits: { ...settings.limits, ...options.limits } },
      ...(tokensTls && { jobTokens: { port: 0, tls: () => tokensTls, holdMs: 2000 } }),
      agentTokens: reconcile && { all: reconcile.tokens, onChange: () => undefined, close: () => undefined },
      secrets: { accepted: [SECRET], close: () => undefined },
      connection: { server: options.server ?? server, ca: caPem, token: () => this.agents.token },
      log: createLog((line) => log.push(JSON.parse(line) as LogLine)),
      ...{ port: 0, operationsPort: 0, listenAddress: "127.0.0.1", podName: "test", version: "test" },
      patience: { firstRetryWaitMs: 0, drainMs: 0, finishMs: 5000, ...options.patience },
      onFatal: (error) => {
        throw error;
      },
    });
    const local = {
      ...dispatcher,
      url: `http://127.0.0.1:${dispatcher.port}`,
      operationsUrl: `http://127.0.0.1:${dispatcher.operationsPort}`,
      log,
    };
    this.#running.push(local);
    await dispatcher.ready;
    return local;
  }

  /** The settings of a dispatcher that asks Buildkite. */
  reconcileSettings({ endpoint, inFlight, intervalSeconds = 1, jobTokens }: ReconcileWith): DispatcherSettings {
    const { settings } = this;
    const tokens = jobTokens === undefined ? {} : { jobAcquisitionTokens: true };
    return {
      ...settings,
      ...{ mode: "reconcile", stackKey: "dispatcher-tests", buildkite: { endpoint, intervalSeconds, ...tokens } },
      limits: { ...settings.limits, inFlight },
    };
  }

  async remove(): Promise<void> {
    await Promise.all(this.#running.map((dispatcher) => dispatcher.stop()));
    await this.agents.remove();
  }

  async job(uuid: string): Promise<ObservedJob | undefined> {
    return this.find<ObservedJob>(`${this.agents.jobsPath}/${jobName(uuid)}`);
  }

  async jobs(): Promise<ObservedJob[]> {
    return (await this.client.request<{ items: ObservedJob[] }>("GET", this.agents.jobsPath)).items;
  }

  /** Pods of a Job's name, whichever Job of that name made them. */
  async pods(uuid: string): Promise<ObservedPod[]> {
    const query = { labelSelector: `batch.kubernetes.io/job-name=${jobName(uuid)}` };
    return (await this.client.request<{ items: ObservedPod[] }>("GET", this.agents.podsPath, { query })).items;
  }

  async find<T>(path: string): Promise<T | undefined> {
    try {
      return await this.client.request<T>("GET", path);
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  async patch(path: string, patch: unknown): Promise<void> {
    await this.client.request("PATCH", path, { body: patch, contentType: "application/merge-patch+json" });
  }

  /** Waits for the dispatcher's decision on a job; returns its Job as it is then. */
  async settledJob(dispatcher: LocalDispatcher, uuid: string, decision: string): Promise<ObservedJob> {
    await until(`decision ${decision} on ${uuid}`, () => {
      return dispatcher.log.some((line) => line["uuid"] === uuid && line["decision"] === decision);
    });
    const job = await this.job(uuid);
    if (job === undefined) {
      throw new Error(`no Job for ${uuid} after ${decision}`);
    }
    return job;
  }

  /** Lets the Job's pod run its agent, as a kubelet would say it. */
  async startAgent(uuid: string): Promise<void> {
    const pod = await until(`a pod of ${uuid}`, async () => (await this.pods(uuid))[0]);
    const agent = { name: "agent", image: "a", imageID: "a", ready: true, restartCount: 0, state: { running: {} } };
    await this.patch(`${this.agents.podsPath}/${pod.metadata.name}/status`, {
      status: { phase: "Running", containerStatuses: [agent] },
    });
  }

  /** Lets the Job's pod succeed or fail as a kubelet would say it, and waits until the Job is finished. */
  async finishJob(uuid: string, phase: "Succeeded" | "Failed" = "Succeeded"): Promise<ObservedJob> {
    const pod = await until(`a pod of ${uuid}`, async () => (await this.pods(uuid))[0]);
    await this.patch(`${this.agents.podsPath}/${pod.metadata.name}/status`, { status: { phase } });
    return until(`the end of ${uuid}`, async () => {
      const job = await this.job(uuid);
      const ended = job?.status.conditions?.some(
        ({ type, status }) => status === "True" && (type === "Complete" || type === "Failed"),
      );
      return ended === true ? job : undefined;
    });
  }
}
