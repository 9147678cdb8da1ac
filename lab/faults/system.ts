/**
 * One row's system: a real API server's namespace, two real dispatcher processes, the fake Buildkite, simulated agents on
 * nodes that kwok plays.
 *
 * Does not prove: anything about a real Deployment, Service or network (processes on loopback, ports instead of
 * endpoints), about real agents, kubelets and nodes, or about Buildkite itself: see the stand-ins' own words.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ACTIVE_DEADLINE_ANNOTATION, POOL_LABEL } from "../../components/contract";
import { buildPodSpec } from "../../components/pod-spec";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { SimulatedAgents } from "../agents";
import { createAgentsFixture } from "../bench/agents-fixture";
import { NODE_OPTIONS } from "../../components/dispatcher-deployment";
import { startDispatcherProcess } from "../bench/dispatcher-process";
import { FakeBuildkite, SeededRandom, type FakeBuildkiteOptions } from "../buildkite";
import { runAll } from "../clean-up";
import type { AdministratorAccess } from "../control-plane";
import { FaultProxy } from "../fault-proxy";
import { OverlapWatch } from "../overlap";
import { until } from "../waiting";
import { dispatcherSettings, QUEUE } from "./dispatcher-settings";
import { JobsSeen } from "./jobs-seen";
import { KubernetesSide } from "./kubernetes-side";
import { limitMemory, type MemoryLimit } from "./memory-limit";
import { createNodes } from "./nodes";
import type { Standing } from "./progress";
import { Replicas } from "./replicas";
import type { SystemSetting } from "./setting";

/** How to start a {@link FaultSystem}. */
export interface FaultSystemOptions {
  readonly admin: KubernetesClient;
  readonly access: AdministratorAccess;
  readonly namespace: string;
  readonly seed: number;
  readonly timeScale: number;
  /** How many builds the row is asked for. */
  readonly builds: number;
  /** What is other than usual. */
  readonly setting?: SystemSetting;
  /** Without the Stacks API: rows that need it must fail then. */
  readonly webhookOnly: boolean;
  readonly signal: AbortSignal;
}

export { QUEUE, RECONCILE_SECONDS } from "./dispatcher-settings";
/** Value of the pool label on the nodes that builds may use. */
export const POOL = "faults";
const TOKEN_SECRET = "buildkite-agent-token";
const SHORTEST_BUILD_MS = 300;
const LONGEST_BUILD_MS = 2_500;

/** See the top of this file. */
export class FaultSystem {
  /** What a row found wrong by itself. */
  readonly complaints: string[] = [];
  /** What a row has to say besides. */
  readonly notes: string[] = [];
  /** Jobs that the dispatcher rightly gives up; a row that is about that says how many. */
  mayBeGivenUp = 0;
  private readonly lengths: SeededRandom;

  private constructor(
    readonly options: FaultSystemOptions,
    /** What webhooks are signed with at first. */
    readonly webhookSecret: string,
    /** One per replica, where the row has such a limit and this machine can set it. */
    readonly memoryLimits: readonly MemoryLimit[],
    readonly kubernetes: KubernetesSide,
    readonly fake: FakeBuildkite,
    readonly replicas: Replicas,
    readonly agents: SimulatedAgents,
    readonly overlap: OverlapWatch,
    readonly jobsSeen: JobsSeen,
    readonly signal: AbortSignal,
    private readonly cleanUp: readonly (() => unknown)[],
  ) {
    this.lengths = new SeededRandom(options.seed);
  }

  /** Starts everything and waits until both dispatchers are ready. @throws when that fails; nothing is left then. */
  static async start(options: FaultSystemOptions): Promise<FaultSystem> {
    const { admin, access, namespace, seed, timeScale, signal, builds, setting = {} } = options;
    const cleanUp: (() => unknown)[] = [];
    const secrets = { agentToken: `bkct_${randomUUID()}`, webhook: randomUUID() };
    try {
      const pool = setting.capacity === undefined ? POOL : namespace;
      if (setting.capacity !== undefined) {
        const nodes = await createNodes(admin, pool, halves(setting.capacity(builds)));
        cleanUp.unshift(() => nodes.remove());
      }
      const resources = { cpu: "100m", memory: "64Mi" };
      const podSpec = buildPodSpec({
        ...{
          namespace,
          templateName: QUEUE,
          queue: QUEUE,
          timeoutSeconds: setting.time?.buildSeconds,
          nodeSelector: { [POOL_LABEL]: pool },
        },
        ...{ agentToken: { secret: TOKEN_SECRET, key: "token" }, resources: { agent: resources, dind: resources } },
      });
      const fixture = await createAgentsFixture(admin, namespace, QUEUE, podSpec, `${namespace}-dispatcher`);
      cleanUp.unshift(() => fixture.remove());
      const proxy = setting.proxy === true ? await FaultProxy.start(access, { tls: true }) : undefined;
      cleanUp.unshift(() => proxy?.stop());
      const kubernetes = new KubernetesSide(admin, fixture, { name: TOKEN_SECRET, token: secrets.agentToken }, proxy);
      await kubernetes.prepare(signal);
      if (setting.time !== undefined) {
        const deadline = setting.time.buildSeconds + setting.time.pendingSeconds;
        const annotations = { [ACTIVE_DEADLINE_ANNOTATION]: String(deadline) };
        await kubernetes.patch(fixture.templatePath, { metadata: { annotations } });
      }

      const fake = new FakeBuildkite({
        ...{ agentToken: secrets.agentToken, webhookSecret: secrets.webhook, seed, queues: [QUEUE] },
        ...lossOf(setting.agentLostAfterSeconds),
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
      const overlap = new OverlapWatch({
        ...{ client: admin, namespace, poolSelector: `${POOL_LABEL}=${pool}`, graceMs: setting.podGraceMs },
      });
      cleanUp.unshift(() => overlap.stop());
      const jobsSeen = new JobsSeen(admin, namespace);
      cleanUp.unshift(() => {
        jobsSeen.stop();
      });
      await Promise.all([agents.start(), overlap.start(), jobsSeen.start(signal)]);

      const memoryLimits: MemoryLimit[] = [];
      cleanUp.unshift(() => Promise.all(memoryLimits.map((limit) => limit.remove())));
      const settings = dispatcherSettings(options, fake.url);
      const replicas = new Replicas(
        async (replica) => {
          const limit = setting.memoryMiB === undefined ? undefined : await limitMemory(setting.memoryMiB);
          memoryLimits.push(...(limit === undefined ? [] : [limit]));
          return await startDispatcherProcess({
            ...{ settings, secrets: { current: secrets.webhook }, token: fixture.token, cgroup: limit?.entrance },
            ...(options.webhookOnly ? {} : { agentTokens: { current: secrets.agentToken } }),
            ...{ server: proxy?.url ?? access.server, caPem: access.caPem, podName: `dispatcher-${replica}`, signal },
            nodeOptions: NODE_OPTIONS,
          });
        },
        (urls) => {
          fake.setWebhookTargets(urls);
        },
        signal,
      );
      cleanUp.unshift(() => replicas.remove());
      const parts = [kubernetes, fake, replicas, agents, overlap, jobsSeen, signal, cleanUp] as const;
      const system = new FaultSystem(options, secrets.webhook, memoryLimits, ...parts);
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
        await this.wait(Math.max(due - Date.now(), 0) / 1000);
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
    const live = this.jobsSeen.live();
    const areOver = jobs.every(({ id, state }) => (state === "finished" || state === "canceled") && !live.has(id));
    return areOver && this.agents.active === 0;
  }

  /** Waits until so many builds have had a pod. @throws after a minute. */
  async untilPods(builds: number): Promise<void> {
    await until(`pods of ${builds} builds`, 60, this.signal, () => this.overlap.podsPerJob.size >= builds);
  }

  /** How far the row is. */
  standing(): Standing {
    const jobs = this.fake.jobs();
    const over = jobs.filter(({ state }) => state === "finished" || state === "canceled").length;
    return { scheduled: jobs.length, over, complaints: this.complaints.length };
  }

  /** Waits until everything {@link isOver}. @throws after `seconds`. */
  async untilOver(seconds: number): Promise<void> {
    await until("all builds to be over", seconds, this.signal, () => this.isOver());
  }
}

/** What the fake is told of losing agents; heartbeats in Buildkite's own proportion. */
function lossOf(seconds: number | undefined): Pick<FakeBuildkiteOptions, "agentLostAfterSeconds" | "intervals"> {
  return seconds === undefined
    ? {}
    : { agentLostAfterSeconds: seconds, intervals: { ping: 1, jobStatus: 1, heartbeat: Math.ceil(seconds / 3) } };
}

/** Two nodes with room for so many pods together. */
function halves(capacity: number): number[] {
  return [Math.ceil(capacity / 2), Math.floor(capacity / 2)];
}
