import { percentile } from "../percentile";

/** One way's blocks: how long each took, and each request. */
export interface Measured {
  /** Of the blocks, in their order. */
  readonly blockSeconds: readonly number[];
  /** Of the requests, in milliseconds, from sending to the end of the answer. */
  readonly latencies: readonly number[];
}

/** What is told of one way. */
export interface Summary {
  jobs: number;
  seconds: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Jobs per second in each block, in their order: how steady it was. */
  blocksPerSecond: number[];
}

/** Each is the dispatcher's figure divided by the raw one's. */
export interface Ratios {
  /** More is better; 1 is the API server itself. */
  throughput: number;
  /** Less is better. */
  p50: number;
  /** Less is better. */
  p99: number;
}

export function summarize(measured: Measured, block: number): Summary {
  const jobs = measured.latencies.length;
  const seconds = measured.blockSeconds.reduce((sum, one) => sum + one, 0);
  const sorted = [...measured.latencies].sort((a, b) => a - b);
  return {
    jobs,
    seconds: round(seconds, 3),
    perSecond: round(jobs / seconds, 1),
    p50Ms: round(percentile(sorted, 0.5), 2),
    p99Ms: round(percentile(sorted, 0.99), 2),
    blocksPerSecond: measured.blockSeconds.map((one, index) => {
      const inBlock = Math.min(block, jobs - index * block);
      return round(inBlock / one, 1);
    }),
  };
}

export function ratiosOf(dispatcher: Summary, raw: Summary): Ratios {
  return {
    throughput: round(dispatcher.perSecond / raw.perSecond, 3),
    p50: round(dispatcher.p50Ms / raw.p50Ms, 3),
    p99: round(dispatcher.p99Ms / raw.p99Ms, 3),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
