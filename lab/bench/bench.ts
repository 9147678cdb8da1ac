import { randomUUID } from "node:crypto";
import http from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { buildPodSpec } from "../../components/pod-spec";
import { stamp } from "../../components/stamp";
import { AgentsNamespace } from "../../dispatcher/agents-namespace";
import { buildDispatcherBundle } from "../../dispatcher/bundle";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { createMetrics } from "../../dispatcher/metrics";
import type { DispatcherSettings } from "../../dispatcher/settings";
import { startControlPlane } from "../control-plane";
import { getParts, type Part } from "../parts";
import { createAgentsFixture } from "./agents-fixture";
import { takeTurns, type Task } from "./blocks";
import { startDispatcherProcess, type DispatcherProcess } from "./dispatcher-process";
import type { BenchOptions } from "./options";
import { pauseControllers } from "./pause";
import { ratiosOf, summarize, type Ratios, type Summary } from "./results";
import { sendWebhook, signedWebhook } from "./webhooks";

/** `out/bench.json`. */
export interface BenchResults {
  /** Each is the dispatcher's figure divided by the raw one's; throughput: more is better, p50 and p99: less. */
  ratios: Ratios;
  dispatcher: Summary;
  raw: Summary;
  /** What both had in common. */
  setting: Record<string, string | number>;
  machine: Record<string, string | number>;
  parts: { name: string; version: string; kind: "real" }[];
  measuredAt: string;
}

const NAMESPACE = "bench-agents";
const TEMPLATE = "bench";
const PARTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl"] as const;

/** Requests each way before anything is counted. */
const WARM_UP = 100;

/**
 * Measures.
 *
 * @throws whatever kept it from it, or the signal's reason; nothing is left behind either way.
 */
export async function runBench(
  options: BenchOptions,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<BenchResults> {
  const parts = await getParts(PARTS, { signal, print });
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    const workDir = await mkdtemp(join(tmpdir(), "buildkite-bench-"));
    cleanUp.unshift(() => rm(workDir, { recursive: true, force: true }));
    const controlPlane = await startControlPlane({ parts, workDir, signal, print });
    cleanUp.unshift(() => controlPlane.stop());
    const { server, caPem, clientCertPem, clientKeyPem } = controlPlane.adminKubeconfig;
    const admin = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
    const agents = await createAgentsFixture(admin, NAMESPACE, TEMPLATE, podSpec());
    admin.close();

    const { token } = agents;
    const secret = randomUUID();
    const bundle = buildDispatcherBundle();
    const settings = settingsFor(options);
    const dispatcher = await startDispatcherProcess({ settings, secrets: { secret }, server, caPem, token, signal });
    cleanUp.unshift(() => dispatcher.remove());
    await untilReady(dispatcher, signal);

    const agent = new http.Agent({ keepAlive: true, maxSockets: options.concurrency });
    const client = new KubernetesClient({ server, ca: caPem, token: () => token }, { maxSockets: options.concurrency });
    cleanUp.unshift(() => {
      agent.destroy();
      client.close();
      return Promise.resolve();
    });
    // The dispatcher's own call: the same request, the same answer.
    const api = new AgentsNamespace(client, NAMESPACE, createMetrics("bench"));
    const manifest = (uuid: string) =>
      stamp(agents.template, { uuid, queue: "bench", pipeline: "web", buildUrl: url(uuid) });
    const webhookTask = (): Task => {
      const webhook = signedWebhook(secret);
      return () => sendWebhook(dispatcher.url, webhook, agent);
    };
    const rawTask = (): Task => {
      const uuid = randomUUID();
      return async () => {
        await api.createJob(manifest(uuid), signal);
      };
    };
    const tasks = (make: () => Task, count: number): Task[] => Array.from({ length: count }, make);
    const run = (count: number, block: number) =>
      takeTurns(tasks(webhookTask, count), tasks(rawTask, count), block, options.concurrency, signal);

    const resume = await pauseControllers(controlPlane.pids());
    cleanUp.unshift(() => {
      resume();
      return Promise.resolve();
    });
    print(`bench: ${WARM_UP} each way to warm up, then ${options.jobs} each way in turns of ${options.block}`);
    await run(WARM_UP, WARM_UP);
    const cpuBefore = await metric(dispatcher, "process_cpu_seconds_total");
    const [webhooks, posts] = await run(options.jobs, options.block);
    const cpuSeconds = (await metric(dispatcher, "process_cpu_seconds_total")) - cpuBefore;
    const [through, raw] = [summarize(webhooks, options.block), summarize(posts, options.block)];
    return {
      ratios: ratiosOf(through, raw),
      dispatcher: through,
      raw,
      setting: {
        concurrency: options.concurrency,
        block: options.block,
        jobBytes: Buffer.byteLength(JSON.stringify(manifest(randomUUID()))),
        webhookBytes: signedWebhook(secret).body.length,
        bundleBytes: bundle.bytes,
        dispatcherMiB: Math.round((await metric(dispatcher, "process_resident_memory_bytes")) / 2 ** 20),
        // Of its own Jobs; what it spends on watching the raw ones is in it.
        dispatcherCpuMsPerJob: Number(((cpuSeconds * 1000) / options.jobs).toFixed(2)),
        controllers: "paused in both ways: what is measured is the API server, with the dispatcher's watches on it",
        answer: "a webhook's answer comes after its Job's creation; both answers are read to their end",
      },
      machine: {
        cpus: cpus().length,
        cpu: cpus()[0]?.model ?? "unknown",
        memoryGiB: Math.round(totalmem() / 2 ** 30),
        kernel: release(),
        node: process.version,
      },
      parts: Object.values<Part>(parts).map(({ name, version }) => ({ name, version, kind: "real" as const })),
      measuredAt: new Date().toISOString(),
    };
  } finally {
    for (const step of cleanUp) {
      await step();
    }
  }
}

function url(uuid: string): string {
  return `https://buildkite.com/acme-inc/web/builds/123#${uuid}`;
}

/** A build's real pod, as the template component renders it. */
function podSpec(): unknown {
  const resources = { cpu: "1", memory: "2Gi" };
  return buildPodSpec({
    ...{ namespace: NAMESPACE, templateName: TEMPLATE, queue: "bench" },
    agentToken: { secret: "buildkite-agent-token", key: "token" },
    resources: { agent: resources, dind: resources },
    nodeSelector: { "buildkite-scale-to-zero/pool": "builds" },
  });
}

function settingsFor({ concurrency }: BenchOptions): DispatcherSettings {
  const queue = {
    key: "bench",
    default: true,
    tags: ["queue=bench"],
    template: TEMPLATE,
    agentMode: "acquire" as const,
  };
  return {
    agentsNamespace: NAMESPACE,
    queues: [queue],
    mode: "webhook-only",
    limits: { createConcurrency: concurrency, bufferSize: 1000 },
  };
}

async function untilReady(dispatcher: DispatcherProcess, signal: AbortSignal): Promise<void> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
  for (;;) {
    within.throwIfAborted();
    if ((await fetch(`${dispatcher.url}/readyz`, { signal: within })).status === 200) {
      return;
    }
  }
}

/** One of the dispatcher's own metrics, one without labels. */
async function metric(dispatcher: DispatcherProcess, name: string): Promise<number> {
  const text = await (await fetch(`${dispatcher.operationsUrl}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `)) ?? "";
  return Number(line.slice(name.length + 1));
}
