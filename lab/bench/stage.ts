/**
 * What one way of making Jobs is measured on: a namespace of the real API server, a fake Buildkite with its jobs, a watch
 * that sees the Jobs come, and, where it is the dispatcher's turn, its real bundle as a process.
 *
 * Does not prove: anything about networks (all is on loopback of one machine, whose cores all parts share), about pods
 * (the controllers stand still, see pause.ts) or about Buildkite itself (see lab/buildkite).
 */
import { randomUUID } from "node:crypto";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { NODE_OPTIONS } from "../../components/dispatcher-deployment";
import { stamp, type JobManifest } from "../../components/stamp";
import { AgentsNamespace } from "../../dispatcher/agents-namespace";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { createMetrics } from "../../dispatcher/metrics";
import { FakeBuildkite, type FakeJob } from "../buildkite";
import { move } from "../buildkite/job";
import { runAll } from "../clean-up";
import type { AgentsFixture } from "./agents-fixture";
import { countApiRequests } from "./api-requests";
import type { BenchContext } from "./context";
import { CreatedJobs } from "./created-jobs";
import { startDispatcherProcess, untilReady, type DispatcherProcess } from "./dispatcher-process";
import { countInFlight } from "./dispatcher-metrics";
import { createBuildsFixture, settingsFor, type Served } from "./fixture";
import { cpuPerJob, readCpu } from "./process-cpu";
import { readMemory } from "./process-memory";
import { rounded, timesOf, type ScaleRow } from "./scale-row";
import { QUEUE, signedWebhook, type SignedWebhook } from "./webhooks";

/** More than any burst has: what is measured is never a wait for a free slot. */
const IN_FLIGHT = 50_000;
/** Connections that webhooks are sent over: so many are under way at once. */
const WEBHOOKS_AT_ONCE = 1_000;
/** For each job, and this much besides: a measurement that hangs ends with an error. */
const LONGEST = { secondsPerJob: 0.2, seconds: 60 };

/** See the top of this file. */
export class Stage {
  readonly created: CreatedJobs;
  private measured = 0;

  private constructor(
    readonly context: BenchContext,
    readonly fixture: AgentsFixture,
    readonly fake: FakeBuildkite,
    readonly api: AgentsNamespace,
    /** Connections for webhooks. */
    readonly agent: http.Agent,
    readonly token: string,
    private readonly secret: string,
    private readonly cleanUp: (() => unknown)[],
  ) {
    this.created = new CreatedJobs(context.admin, fixture.namespace);
  }

  /** @throws what kept it from being made; nothing is left then. */
  static async open(context: BenchContext): Promise<Stage> {
    const cleanUp: (() => unknown)[] = [];
    const { admin, access, options, signal } = context;
    try {
      const fixture = await createBuildsFixture(admin, context.namespace());
      const agentToken = `bkct_${randomUUID()}`;
      const secret = randomUUID();
      const fake = new FakeBuildkite({ agentToken, webhookSecret: secret, seed: 1, queues: [QUEUE] });
      await fake.start();
      cleanUp.unshift(() => fake.stop());
      const client = new KubernetesClient(
        { server: access.server, ca: access.caPem, token: () => fixture.token },
        { maxSockets: Math.max(options.concurrency, 32) },
      );
      const agent = new http.Agent({ keepAlive: true, maxSockets: WEBHOOKS_AT_ONCE });
      cleanUp.unshift(() => {
        client.close();
        agent.destroy();
      });
      // The dispatcher's own call: the same request, the same answer.
      const api = new AgentsNamespace(client, fixture.namespace, createMetrics("bench"));
      const stage = new Stage(context, fixture, fake, api, agent, agentToken, secret, cleanUp);
      cleanUp.unshift(() => {
        stage.created.stop();
      });
      await stage.created.start(signal);
      return stage;
    } catch (error) {
      await runAll(cleanUp);
      throw error;
    }
  }

  /** Ends all processes and connections of it. Its Jobs stay where they are. */
  async close(): Promise<void> {
    await runAll(this.cleanUp);
  }

  /** Starts the dispatcher and waits until it is ready and sees so many live Jobs. */
  async startDispatcher(served: Pick<Served, "reconcileSeconds">, liveJobs = 0): Promise<DispatcherProcess> {
    const { access, options, signal } = this.context;
    const settings = settingsFor(this.fixture.namespace, this.fake.url, {
      ...{ ...served, concurrency: options.concurrency, inFlight: IN_FLIGHT },
    });
    const dispatcher = await startDispatcherProcess({
      ...{ settings, secrets: { secret: this.secret } },
      ...(served.reconcileSeconds === undefined ? {} : { agentTokens: { current: this.token } }),
      ...{ server: access.server, caPem: access.caPem, token: this.fixture.token, nodeOptions: NODE_OPTIONS, signal },
    });
    this.cleanUp.unshift(() => dispatcher.remove());
    await untilReady(dispatcher, signal);
    const within = AbortSignal.any([signal, AbortSignal.timeout(LONGEST.seconds * 1000)]);
    while ((await countInFlight(dispatcher)) < liveJobs) {
      await sleep(100, undefined, { signal: within });
    }
    return dispatcher;
  }

  /** Builds that Buildkite does not tell of yet. */
  prepare(count: number): FakeJob[] {
    return Array.from({ length: count }, () => this.fake.schedule({ queue: QUEUE, state: "waiting" }));
  }

  webhookOf(job: FakeJob): SignedWebhook {
    return signedWebhook(this.secret, job);
  }

  manifestOf(uuid: string): JobManifest {
    const buildUrl = `https://buildkite.com/acme-inc/web/builds/123#${uuid}`;
    return stamp(this.fixture.template, { uuid, queue: QUEUE, pipeline: "web", buildUrl });
  }

  /**
   * Schedules the builds at one moment and waits until all have their Jobs.
   *
   * @param act what makes the Jobs, begun at that moment; returns the answers to its webhooks by status, where it sends any.
   * @param dispatcher whose memory is told.
   */
  async measure(
    jobs: readonly FakeJob[],
    act: () => Promise<Record<string, number> | undefined>,
    dispatcher?: DispatcherProcess,
  ): Promise<ScaleRow> {
    const { access, processes, signal } = this.context;
    const apiBefore = await countApiRequests(access);
    const buildkiteBefore = this.fake.stackCalls.total;
    const working = new Map([...processes, ["bench", process.pid]]);
    if (dispatcher !== undefined) {
      working.set("dispatcher", dispatcher.pid);
    }
    const cpuBefore = await readCpu(working);
    const began = performance.now();
    schedule(jobs);
    const acting = act();
    this.measured += jobs.length;
    const longest = LONGEST.seconds + LONGEST.secondsPerJob * jobs.length;
    const [answers] = await Promise.all([acting, this.created.until(this.measured, longest, signal)]);
    const cpuMsPerJob = cpuPerJob(cpuBefore, await readCpu(working), jobs.length);
    const buildkite = this.fake.stackCalls.total - buildkiteBefore;
    const memory = dispatcher && (await readMemory(dispatcher.pid));
    const kubernetes = (await countApiRequests(access)) - apiBefore;
    return {
      ...timesOf(jobs.map(({ id }) => (this.created.seenAt.get(id) ?? Number.NaN) - began)),
      peakMiB: memory?.peakMiB ?? null,
      endMiB: memory?.nowMiB ?? null,
      callsPerJob: {
        kubernetes: rounded(kubernetes / jobs.length, 3),
        buildkite: rounded(buildkite / jobs.length, 3),
      },
      cpuMsPerJob,
      ...(answers === undefined ? {} : { answers }),
    };
  }
}

/** Makes builds runnable at Buildkite; their webhooks are whose who sends them. */
export function schedule(jobs: readonly FakeJob[]): void {
  const now = Date.now();
  for (const job of jobs) {
    job.runnableAt = now;
    move(job, "scheduled");
  }
}
