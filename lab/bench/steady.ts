import { setTimeout as sleep } from "node:timers/promises";
import { inBackground } from "../in-background";
import { percentile } from "../percentile";
import type { BenchContext } from "./context";
import { readMemory } from "./process-memory";
import { rounded } from "./scale-row";
import { schedule, Stage } from "./stage";
import { postWebhook } from "./webhooks";

/** Jobs that come at an even pace, for a while. */
export interface SteadyResult {
  readonly perSecond: number;
  readonly seconds: number;
  readonly jobs: number;
  /** From a webhook's sending to its answer, which comes after the Job's creation. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers by their status. */
  readonly answers: Readonly<Record<string, number>>;
  /** Resident memory of the dispatcher's process: flat is where the last quarter adds next to nothing. */
  readonly memoryMiB: {
    readonly start: number;
    readonly quarter: number;
    readonly half: number;
    readonly threeQuarters: number;
    readonly end: number;
    readonly peak: number;
  };
}

/** Sends webhooks at their times, whatever becomes of the earlier ones. */
export async function measureSteady(context: BenchContext): Promise<SteadyResult> {
  const { sizes, signal } = context;
  const { perSecond, seconds } = sizes.steady;
  const stage = await Stage.open(context);
  try {
    const dispatcher = await stage.startDispatcher({ reconcileSeconds: sizes.reconcileSeconds });
    const latencies: number[] = [];
    const answers: Record<string, number> = {};
    const send = async (): Promise<void> => {
      const jobs = stage.prepare(1);
      schedule(jobs);
      for (const webhook of jobs.map((job) => stage.webhookOf(job))) {
        const sent = performance.now();
        const status = await postWebhook(dispatcher.url, webhook, stage.agent);
        latencies.push(performance.now() - sent);
        answers[status] = (answers[status] ?? 0) + 1;
      }
    };
    const count = perSecond * seconds;
    const memory: number[] = [];
    const sending: Promise<void>[] = [];
    const began = performance.now();
    for (let index = 0; index < count; index += 1) {
      if (index % Math.ceil(count / 4) === 0) {
        memory.push((await readMemory(dispatcher.pid)).nowMiB);
      }
      const wait = began + (index * 1000) / perSecond - performance.now();
      if (wait > 0) {
        await sleep(wait, undefined, { signal });
      }
      sending.push(inBackground(send()));
    }
    await Promise.all(sending);
    await stage.created.until(count, 60, signal);
    const { nowMiB, peakMiB } = await readMemory(dispatcher.pid);
    const sorted = latencies.sort((a, b) => a - b);
    const [start = nowMiB, quarter = nowMiB, half = nowMiB, threeQuarters = nowMiB] = memory;
    return {
      ...{ perSecond, seconds: rounded((performance.now() - began) / 1000, 1), jobs: count },
      p50Ms: rounded(percentile(sorted, 0.5), 2),
      p99Ms: rounded(percentile(sorted, 0.99), 2),
      answers,
      memoryMiB: { start, quarter, half, threeQuarters, end: nowMiB, peak: peakMiB },
    };
  } finally {
    await stage.close();
  }
}
