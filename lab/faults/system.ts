/**
 * One row's system: a real API server's namespace, two real dispatcher processes, the fake Buildkite, simulated agents on
 * nodes that kwok plays.
 *
 * Does not prove: anything about a real Deployment, Service or network (processes on loopback, ports instead of
 * endpoints), about real agents, kubelets and nodes, or about Buildkite itself: see the stand-ins' own words.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { POOL_LABEL } from "../../components/contract";
import { buildPodSpec } from "../../components/pod-spec";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { DispatcherSettings } from "../../dispatcher/settings";
import { SimulatedAgents } from "../agents";
import { createAgentsFixture } from "../bench/agents-fixture";
import { startDispatcherProcess } from "../bench/dispatcher-process";
import { FakeBuildkite, SeededRandom } from "../buildkite";
import type { AdministratorAccess } from "../control-plane";
import { OverlapWatch } from "../overlap";
import { until } from "../waiting";
import { JobsSeen } from "./jobs-seen";
import { Replicas } from "./replicas";

/** How to start a {@link FaultSystem}. */
export interface FaultSystemOptions {
  readonly admin: KubernetesClient;
  readonly access: AdministratorAccess;
  readonly namespace: string;
  readonly seed: number;
  readonly timeScale: number;
  /** Without the Stacks API: rows that need it must fail then. */
  readonly webhookOnly: boolean;
  readonly signal: AbortSignal;
}

export const QUEUE = "linux";
/** Value of the pool label on the nodes that builds may use. */
export const POOL = "faults";
/** What the program's configuration has by default. */
export const RECONCILE_SECONDS = 10;
/** More than any row has builds: what is waited for is never a free slot. */
const IN_FLIGHT = 2_000;
const TOKEN_SECRET = "buildkite-agent-token";
const SHORTEST_BUILD_MS = 300;
const LONGEST_BUILD_MS = 2_500;

/** See the top of this file. */
export class FaultSystem {
  /** What a row found wrong by itself. */
  readonly complaints: string[] = [];
  private readonly lengths: SeededRandom;

  private constructor(
    readonly fake: FakeBuildkite,
    readonly replicas: Replicas,
    readonly agents: SimulatedAgents,
    readonly overlap: OverlapWatch,
    readonly jobsSeen: JobsSeen,
    readonly signal: AbortSignal,
    seed: number,
    private readonly cleanUp: readonly (() => unknown)[],
  ) {
    this.lengths = new SeededRandom(seed);
  }

  /** Starts everything and waits until both dispatchers are ready. @throws when that fails; nothing is left then. */
  static async start(options: FaultSystemOptions): Promise<FaultSystem> {
    const { admin, access, namespace, seed, timeScale, signal } = options;
    const cleanUp: (() => unknown)[] = [];
    const secrets = { agentToken: `bkct_${randomUUID()}`, webhook: randomUUID() };
    try {
      const resources = { cpu: "100m", memory: "64Mi" };
      const podSpec = buildPodSpec({
        ...{ namespace, templateName: QUEUE, queue: QUEUE, nodeSelector: { [POOL_LABEL]: POOL } },
        ...{ agentToken: { secret: TOKEN_SECRET, key: "token" }, resources: { agent: resources, dind: resources } },
      });
      const fixture = await createAgentsFixture(admin, namespace, QUEUE, podSpec);
      cleanUp.unshift(() => fixture.remove());
      await admin.request("POST", `/api/v1/namespaces/${namespace}/secrets`, {
        body: { metadata: { name: TOKEN_SECRET }, stringData: { token: secrets.agentToken } },
      });
      await untilServiceAccount(admin, namespace, signal);

      const fake = new FakeBuildkite({
        ...{ agentToken: secrets.agentToken, webhookSecret: secrets.webhook, seed, queues: [QUEUE] },
      });
      await fake.start();
      cleanUp.unshift(() => fake.stop());
      const onError = (error: unknown): void => {
        system.complaints.push(`a simulated agent: ${String(error)}`);
      };
      const agents = new SimulatedAgents({
        ...{ client: admin, buildkiteUrl: fake.url, namespaces: [namespace], timeScale, onError },
      });
      cleanUp.unshift(() => agents.stop());
      const overlap = new OverlapWatch({ client: admin, poolSelector: `${POOL_LABEL}=${POOL}` });
      cleanUp.unshift(() => overlap.stop());
      const jobsSeen = new JobsSeen(admin, namespace);
      cleanUp.unshift(() => {
        jobsSeen.stop();
      });
      await Promise.all([agents.start(), overlap.start(), jobsSeen.start(signal)]);

      const settings = settingsFor(namespace, fake.url, options.webhookOnly);
      const replicas = new Replicas(
        (replica) =>
          startDispatcherProcess({
            ...{ settings, secrets: { secret: secrets.webhook }, token: fixture.token },
            ...(options.webhookOnly ? {} : { agentTokens: { current: secrets.agentToken } }),
            ...{ server: access.server, caPem: access.caPem, podName: `dispatcher-${replica}`, signal },
          }),
        (urls) => {
          fake.setWebhookTargets(urls);
        },
        signal,
      );
      cleanUp.unshift(() => replicas.remove());
      const system = new FaultSystem(fake, replicas, agents, overlap, jobsSeen, signal, seed, cleanUp);
      await replicas.start(0, 1);
      return system;
    } catch (error) {
      await runAll(cleanUp);
      throw error;
    }
  }

  /** Ends every process and watch; the namespace goes by itself afterwards. */
  async stop(): Promise<void> {
    await runAll(this.cleanUp);
  }

  /** Schedules builds of 0.3 to 2.5 s, evenly over that time; returns once all are scheduled. */
  async schedule(builds: number, overSeconds: number): Promise<void> {
    const began = Date.now();
    for (let count = 0; count < builds; count += 1) {
      const due = began + (count * overSeconds * 1000) / builds;
      if (due > Date.now()) {
        await this.wait((due - Date.now()) / 1000);
      }
      const seconds = this.lengths.integer(SHORTEST_BUILD_MS, LONGEST_BUILD_MS) / 1000;
      this.fake.schedule({ queue: QUEUE, seconds });
    }
  }

  /** @throws the signal's reason when the row is ended. */
  async wait(seconds: number): Promise<void> {
    await sleep(seconds * 1000, undefined, { signal: this.signal });
  }

  /** Whether nothing is left to be done: all jobs over at Buildkite, all agents gone, all Jobs finished. */
  isOver(): boolean {
    const jobs = this.fake.jobs();
    const areOver = jobs.every(({ state }) => state === "finished" || state === "canceled");
    return areOver && this.agents.active === 0 && this.jobsSeen.live().size === 0;
  }

  /** Waits until everything {@link isOver}. @throws after `seconds`. */
  async untilOver(seconds: number): Promise<void> {
    await until("all builds to be over", seconds, this.signal, () => this.isOver());
  }
}

function settingsFor(agentsNamespace: string, buildkiteUrl: string, webhookOnly: boolean): DispatcherSettings {
  const queue = { key: QUEUE, default: true, tags: [`queue=${QUEUE}`], template: QUEUE, agentMode: "acquire" as const };
  const limits = { createConcurrency: 16, bufferSize: 1_000 };
  if (webhookOnly) {
    return { agentsNamespace, queues: [queue], mode: "webhook-only", limits };
  }
  return {
    ...{ agentsNamespace, queues: [queue], mode: "reconcile", stackKey: `faults-${agentsNamespace}` },
    buildkite: { endpoint: `${buildkiteUrl}/v3`, intervalSeconds: RECONCILE_SECONDS },
    limits: { ...limits, inFlight: IN_FLIGHT },
  };
}

/** Pods of a namespace without its default service account are refused, and tried again ever later. */
async function untilServiceAccount(admin: KubernetesClient, namespace: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await admin.request("GET", `/api/v1/namespaces/${namespace}/serviceaccounts/default`, { signal });
      return;
    } catch (error) {
      if (!(error instanceof KubernetesError && error.status === 404)) {
        throw error;
      }
      await sleep(50, undefined, { signal });
    }
  }
}

/** All of them, whatever becomes of each; then the first failure. */
async function runAll(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) {
    throw failures[0];
  }
}
