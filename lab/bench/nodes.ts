import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { POOL_LABEL } from "../../components/contract";
import { NODE_OPTIONS } from "../../components/dispatcher-deployment";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { SimulatedAgents } from "../agents";
import { FakeBuildkite } from "../buildkite";
import { runAll } from "../clean-up";
import { startControlPlane, type ControlPlaneParts } from "../control-plane";
import { outcomesOf } from "../faults/outcomes";
import { until } from "../waiting";
import type { BenchContext } from "./context";
import { startDispatcherProcess, untilReady } from "./dispatcher-process";
import { countRequests } from "./dispatcher-metrics";
import { createBuildsFixture, POOL, settingsFor, TOKEN_SECRET } from "./fixture";
import { readMemory } from "./process-memory";
import { rounded, type CallsPerJob } from "./scale-row";
import { QUEUE } from "./webhooks";

/** Builds that ran and ended. */
export interface NodesResult {
  readonly nodes: number;
  readonly jobs: number;
  /** Live Jobs there could be: as the program sets it, the pool's maximum times one job to a node. */
  readonly cap: number;
  readonly buildSeconds: number;
  /** Started once and over, of `jobs`. */
  readonly ranOnce: number;
  readonly lost: number;
  readonly twice: number;
  /** From scheduling until all were over: on few cores that is the control plane's time, not the dispatcher's. */
  readonly seconds: number;
  readonly perSecond: number;
  /** Most builds that ran at one time, by Buildkite's account. */
  readonly mostRunning: number;
  readonly peakMiB: number;
  readonly endMiB: number;
  /** Kubernetes calls by the dispatcher's own count: the controllers ask for the same things. */
  readonly callsPerJob: CallsPerJob;
}

/** Nodes made at one time. */
const NODES_AT_ONCE = 16;
const LONGEST = { secondsPerJob: 0.5, seconds: 180 };

/**
 * On a control plane of its own with all its controllers at work. Real: API server, controllers, scheduler, dispatcher.
 * Stand-ins: nodes and kubelets (kwok), agents (lab/agents), Buildkite (lab/buildkite), all on the same cores.
 */
export async function measureNodes(context: BenchContext, parts: ControlPlaneParts): Promise<NodesResult> {
  const { sizes, options, signal, print } = context;
  const { nodes, jobs, buildSeconds } = sizes.nodes;
  const cleanUp: (() => unknown)[] = [];
  try {
    const workDir = await mkdtemp(join(tmpdir(), "buildkite-bench-nodes-"));
    cleanUp.unshift(() => rm(workDir, { recursive: true, force: true }));
    const controlPlane = await startControlPlane({ parts, workDir, signal, print });
    cleanUp.unshift(() => controlPlane.stop());
    const { server, caPem, clientCertPem, clientKeyPem } = controlPlane.adminKubeconfig;
    const admin = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
    cleanUp.unshift(() => {
      admin.close();
    });
    await createNodes(admin, nodes);
    const namespace = context.namespace();
    const { token } = await createBuildsFixture(admin, namespace);
    const secrets = { agentToken: `bkct_${randomUUID()}`, webhook: randomUUID() };
    await admin.request("POST", `/api/v1/namespaces/${namespace}/secrets`, {
      body: { metadata: { name: TOKEN_SECRET }, stringData: { token: secrets.agentToken } },
    });
    const fake = new FakeBuildkite({
      ...{ agentToken: secrets.agentToken, webhookSecret: secrets.webhook, seed: 1, queues: [QUEUE] },
      // As Buildkite's own: agents that report every second would be most of what is measured.
      intervals: { ping: 10, jobStatus: 10, heartbeat: 60 },
    });
    await fake.start();
    cleanUp.unshift(() => fake.stop());
    const complaints: unknown[] = [];
    const agents = new SimulatedAgents({
      ...{ client: admin, buildkiteUrl: fake.url, namespaces: [namespace], timeScale: 1 },
      onError: (error) => complaints.push(error),
    });
    cleanUp.unshift(() => agents.stop());
    await agents.start();
    const settings = settingsFor(namespace, fake.url, {
      ...{ concurrency: options.concurrency, reconcileSeconds: sizes.reconcileSeconds, inFlight: nodes },
    });
    const dispatcher = await startDispatcherProcess({
      ...{ settings, secrets: { secret: secrets.webhook }, agentTokens: { current: secrets.agentToken } },
      ...{ server, caPem, token, nodeOptions: NODE_OPTIONS, signal },
    });
    cleanUp.unshift(() => dispatcher.remove());
    await untilReady(dispatcher, signal);
    fake.setWebhookTargets([dispatcher.url]);

    print(`bench: ${jobs} builds of ${buildSeconds} s on ${nodes} nodes`);
    const requestsBefore = await countRequests(dispatcher);
    const callsBefore = fake.stackCalls.total;
    const began = performance.now();
    let [mostRunning, told] = [0, 0];
    for (let index = 0; index < jobs; index += 1) {
      fake.schedule({ queue: QUEUE, seconds: buildSeconds });
    }
    await until("all builds to be over", LONGEST.seconds + LONGEST.secondsPerJob * jobs, signal, () => {
      const { finished, running } = countOf(fake);
      mostRunning = Math.max(mostRunning, running);
      if (performance.now() - began > told + 30_000) {
        told = performance.now() - began;
        print(`bench: ${finished} of ${jobs} builds are over, ${running} run`);
      }
      return finished === jobs && agents.active === 0;
    });
    const seconds = (performance.now() - began) / 1000;
    const memory = await readMemory(dispatcher.pid);
    const { ranOnce, lost, twice } = outcomesOf(fake.jobs(), () => false);
    if (complaints.length > 0) {
      print(`bench: ${complaints.length} complaints of the simulated agents, the first: ${String(complaints[0])}`);
    }
    return {
      ...{ nodes, jobs, cap: nodes, buildSeconds, ranOnce, lost, twice, mostRunning },
      ...{ seconds: rounded(seconds, 1), perSecond: rounded(jobs / seconds, 1) },
      ...{ peakMiB: memory.peakMiB, endMiB: memory.nowMiB },
      callsPerJob: {
        kubernetes: rounded(((await countRequests(dispatcher)) - requestsBefore) / jobs, 3),
        buildkite: rounded((fake.stackCalls.total - callsBefore) / jobs, 3),
      },
    };
  } finally {
    await runAll(cleanUp);
  }
}

function countOf(fake: FakeBuildkite): { finished: number; running: number } {
  const count = { finished: 0, running: 0 };
  for (const { state } of fake.jobs()) {
    count.finished += state === "finished" || state === "canceled" ? 1 : 0;
    count.running += state === "running" ? 1 : 0;
  }
  return count;
}

/** Each has room for one build. */
async function createNodes(admin: KubernetesClient, count: number): Promise<void> {
  const resources = { cpu: "3", memory: "8Gi", "ephemeral-storage": "100Gi", pods: "32" };
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  const worker = async (): Promise<void> => {
    for (const number of numbers) {
      const labels = { [POOL_LABEL]: POOL };
      await admin.request("POST", "/api/v1/nodes", {
        body: {
          metadata: { name: `bench-${number}`, labels, annotations: { "kwok.x-k8s.io/node": "fake" } },
          status: { allocatable: resources, capacity: resources },
        },
      });
    }
  };
  await Promise.all(Array.from({ length: NODES_AT_ONCE }, worker));
}
