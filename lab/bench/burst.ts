import { setTimeout as sleep } from "node:timers/promises";
import { move } from "../buildkite/job";
import { inBackground } from "../in-background";
import type { BenchContext } from "./context";
import { listScheduled } from "./polled-jobs";
import { readMemory } from "./process-memory";
import { PollingController, POLL_MS, type PollingLimits } from "./polling-controller";
import type { ScaleRow } from "./scale-row";
import { Stage } from "./stage";
import { postWebhook, QUEUE, type SignedWebhook } from "./webhooks";

/** So many jobs scheduled at one moment, by webhooks to the dispatcher, which asks Buildkite, too. */
export function burstThroughDispatcher(context: BenchContext, count: number): Promise<ScaleRow> {
  return onStage(context, async (stage) => {
    const { sizes } = context;
    const dispatcher = await stage.startDispatcher({ reconcileSeconds: sizes.reconcileSeconds });
    const send = async (jobs: number): Promise<ScaleRow> => {
      const builds = stage.prepare(jobs);
      const webhooks = builds.map((job) => stage.webhookOf(job));
      return await stage.measure(builds, () => sendAll(stage, dispatcher.url, webhooks), dispatcher);
    };
    await send(sizes.warmUp);
    const row = await send(count);
    await dispatcher.end();
    const { pid } = await stage.startDispatcher({ reconcileSeconds: sizes.reconcileSeconds }, count + sizes.warmUp);
    return { ...row, restartMiB: (await readMemory(pid)).peakMiB };
  });
}

/** The same jobs found by the loop alone: no webhook comes. */
export function burstWithoutWebhooks(context: BenchContext, count: number): Promise<ScaleRow> {
  return onStage(context, async (stage) => {
    const dispatcher = await stage.startDispatcher({ reconcileSeconds: context.sizes.reconcileSeconds });
    return await stage.measure(stage.prepare(count), () => Promise.resolve(undefined), dispatcher);
  });
}

/** The API server's own speed: the same Jobs posted straight to it, as many at a time as the dispatcher makes. */
export function burstRaw(context: BenchContext, count: number): Promise<ScaleRow> {
  return onStage(context, async (stage) => {
    const { options, sizes, signal } = context;
    const post = async (jobs: number): Promise<ScaleRow> => {
      const builds = stage.prepare(jobs);
      const waiting = builds.values();
      const worker = async (): Promise<void> => {
        for (const { id } of waiting) {
          await stage.api.createJob(stage.manifestOf(id), signal);
        }
      };
      return await stage.measure(builds, async () => {
        await Promise.all(Array.from({ length: options.concurrency }, worker));
        return undefined;
      });
    };
    await post(sizes.warmUp);
    return await post(count);
  });
}

/** The model of a polling controller; the jobs come in the middle between two of its polls. */
export function burstThroughPolling(context: BenchContext, count: number, limits: PollingLimits): Promise<ScaleRow> {
  return onStage(context, async (stage) => {
    const stopping = new AbortController();
    const builds = stage.prepare(count);
    const byId = new Map(builds.map((job) => [job.id, job]));
    const controller = new PollingController({
      limits,
      list: async (signal) => {
        const ids = await listScheduled(stage, QUEUE, signal);
        // What it has seen leaves the list, as a reservation would make it.
        for (const job of ids.map((id) => byId.get(id)).filter((one) => one !== undefined)) {
          move(job, "reserved");
        }
        return ids;
      },
      create: (uuid, signal) => stage.api.createJob(stage.manifestOf(uuid), signal),
    });
    const running = inBackground(controller.run(AbortSignal.any([stopping.signal, context.signal])));
    try {
      await sleep(POLL_MS * 1.5, undefined, { signal: context.signal });
      const failed = running.then(() => undefined);
      return await Promise.race([
        stage.measure(builds, () => Promise.resolve(undefined)),
        failed.then(() => Promise.reject(new Error("the polling model has ended"))),
      ]);
    } finally {
      stopping.abort();
      await running.catch(() => undefined);
    }
  });
}

/** Sends all over at most as many connections as the agent has; returns how many were answered what. */
async function sendAll(stage: Stage, url: string, webhooks: readonly SignedWebhook[]): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  await Promise.all(
    webhooks.map(async (webhook) => {
      const status = await postWebhook(url, webhook, stage.agent);
      answers[status] = (answers[status] ?? 0) + 1;
    }),
  );
  return answers;
}

async function onStage(context: BenchContext, measure: (stage: Stage) => Promise<ScaleRow>): Promise<ScaleRow> {
  const stage = await Stage.open(context);
  try {
    return await measure(stage);
  } finally {
    await stage.close();
  }
}
