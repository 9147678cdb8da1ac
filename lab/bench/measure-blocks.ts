import { randomUUID } from "node:crypto";
import { buildDispatcherBundle } from "../../dispatcher/bundle";
import { takeTurns, type Task } from "./blocks";
import type { BenchContext } from "./context";
import { cpuSeconds } from "./dispatcher-metrics";
import { readMemory } from "./process-memory";
import { ratiosOf, summarize, type Ratios, type Summary } from "./results";
import { Stage } from "./stage";
import { sendWebhook, signedWebhook } from "./webhooks";

/** Webhooks beside raw POSTs, taking turns. */
export interface TurnsResult {
  /** Each is the dispatcher's figure divided by the raw one's; throughput: more is better, p50 and p99: less. */
  readonly ratios: Ratios;
  readonly dispatcher: Summary;
  readonly raw: Summary;
  /** What both had in common. */
  readonly setting: Readonly<Record<string, string | number>>;
}

/** Many at one time: how near the dispatcher comes to the API server's own rate. */
export async function measureBlocks(context: BenchContext): Promise<TurnsResult> {
  const { jobs, block, concurrency } = context.options;
  return await measureTurns(context, { jobs, block, concurrency, reconcileSeconds: undefined });
}

/** One at a time: what a single webhook takes. */
export async function measureSingle(context: BenchContext): Promise<TurnsResult> {
  const { single: jobs, reconcileSeconds } = context.sizes;
  return await measureTurns(context, { jobs, block: 10, concurrency: 1, reconcileSeconds });
}

interface Turns {
  readonly jobs: number;
  readonly block: number;
  readonly concurrency: number;
  readonly reconcileSeconds: number | undefined;
}

async function measureTurns(context: BenchContext, turns: Turns): Promise<TurnsResult> {
  const { sizes, signal, print } = context;
  const { jobs, block, concurrency, reconcileSeconds } = turns;
  const stage = await Stage.open(context);
  try {
    const dispatcher = await stage.startDispatcher({ reconcileSeconds });
    const webhookTask = (): Task => {
      const [job] = stage.prepare(1);
      const webhook = job && stage.webhookOf(job);
      return () => (webhook === undefined ? Promise.resolve() : sendWebhook(dispatcher.url, webhook, stage.agent));
    };
    const rawTask = (): Task => {
      const uuid = randomUUID();
      return () => stage.api.createJob(stage.manifestOf(uuid), signal);
    };
    const tasks = (make: () => Task, count: number): Task[] => Array.from({ length: count }, make);
    const run = (count: number, inBlock: number) =>
      takeTurns(tasks(webhookTask, count), tasks(rawTask, count), inBlock, concurrency, signal);
    print(
      `bench: ${sizes.warmUp} each way to warm up, then ${jobs} each way in turns of ${block}, ${concurrency} at a time`,
    );
    await run(sizes.warmUp, sizes.warmUp);
    const cpuBefore = await cpuSeconds(dispatcher);
    const [webhooks, posts] = await run(jobs, block);
    const cpuUsed = (await cpuSeconds(dispatcher)) - cpuBefore;
    const [through, raw] = [summarize(webhooks, block), summarize(posts, block)];
    return {
      ratios: ratiosOf(through, raw),
      dispatcher: through,
      raw,
      setting: {
        ...{ concurrency, block },
        jobBytes: Buffer.byteLength(JSON.stringify(stage.manifestOf(randomUUID()))),
        webhookBytes: signedWebhook("").body.length,
        bundleBytes: buildDispatcherBundle().bytes,
        dispatcherMiB: Math.round((await readMemory(dispatcher.pid)).nowMiB),
        // Of its own Jobs; what it spends on watching the raw ones is in it.
        dispatcherCpuMsPerJob: Number(((cpuUsed * 1000) / jobs).toFixed(2)),
        controllers: "paused in both ways: what is measured is the API server, with the dispatcher's watches on it",
        answer: "a webhook's answer comes after its Job's creation; both answers are read to their end",
      },
    };
  } finally {
    await stage.close();
  }
}
