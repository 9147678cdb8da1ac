import { percentile } from "../percentile";
import type { CpuTime } from "./process-cpu";

/** Calls per job. */
export interface CallsPerJob {
  /** Of the API server, for Jobs, pods, PodTemplates and events, by its own count; watches that go on are not in it. */
  readonly kubernetes: number;
  /** Of Buildkite's Stacks API, by the stand-in's count. */
  readonly buildkite: number;
}

/** How one way did with one number of jobs that were scheduled at the same time. */
export interface ScaleRow {
  readonly jobs: number;
  /** From scheduling until all have their Jobs. */
  readonly seconds: number;
  readonly perSecond: number;
  /** From scheduling until the first Job. */
  readonly firstMs: number;
  /** From scheduling to its Job, over all jobs: in a burst that is mostly waiting for the jobs before it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Resident memory of the dispatcher's process at its highest since its start; null: no process of its own. */
  readonly peakMiB: number | null;
  /** Where it was at the end. */
  readonly endMiB: number | null;
  /** The highest of a dispatcher started afterwards, which has to read all these Jobs; absent where there is none. */
  readonly restartMiB?: number;
  readonly callsPerJob: CallsPerJob;
  /** Milliseconds of CPU time per job by process; `bench` is the one that sends, plays Buildkite and watches. */
  readonly cpuMsPerJob: CpuTime;
  /** Answers to webhooks by their status; absent where there are none. */
  readonly answers?: Readonly<Record<string, number>>;
}

/** What of a {@link ScaleRow} follows from each job's time. @param latencies milliseconds from scheduling to the Job. */
export function timesOf(
  latencies: readonly number[],
): Pick<ScaleRow, "jobs" | "seconds" | "perSecond" | "firstMs" | "p50Ms" | "p99Ms"> {
  const sorted = [...latencies].sort((a, b) => a - b);
  const seconds = (sorted.at(-1) ?? Number.NaN) / 1000;
  return {
    jobs: sorted.length,
    seconds: rounded(seconds, 3),
    perSecond: rounded(sorted.length / seconds, 1),
    firstMs: rounded(sorted[0] ?? Number.NaN, 1),
    p50Ms: rounded(percentile(sorted, 0.5), 1),
    p99Ms: rounded(percentile(sorted, 0.99), 1),
  };
}

/** To so many digits after the point. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
