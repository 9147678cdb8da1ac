import type { BuildRecord, NodeRecord } from "./build-record";
import type { CostFigures } from "./cost";

/** Counts at one moment. */
export interface Sample {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Builds that wait for an agent. */
  readonly queued: number;
  /** Builds that an agent has. */
  readonly running: number;
  /** Builds that are over. */
  readonly finished: number;
  /** Nodes of the pool, as the API server lists them. */
  readonly nodes: number;
}

/** A step of the run. */
export interface PhaseMark {
  readonly name: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly seconds: number;
}

/** Something that happened at one moment and belongs into the picture, such as an `up` in the middle of the builds. */
export interface MomentMark {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly label: string;
}

/** The pool's maximum from a moment on. */
export interface MaximumMark {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly maxNodes: number;
}

/** One line of the table of results. */
export interface ResultRow {
  readonly name: string;
  readonly value: string | number;
  /** Whether it is as it must be; undefined for a plain fact. */
  readonly ok?: boolean;
}

/** One line of the table of parts. */
export interface PartRow {
  readonly name: string;
  readonly version: string;
  readonly kind: "real" | "stand-in";
  /** What the stand-in models, or where the real part is from. */
  readonly note?: string;
}

/** Everything the report shows. */
export interface RunReport {
  readonly title: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** The factor by which GKE's timers were divided. */
  readonly timeScale: number;
  readonly samples: readonly Sample[];
  readonly phases: readonly PhaseMark[];
  readonly marks: readonly MomentMark[];
  readonly maxima: readonly MaximumMark[];
  readonly buildRecords: readonly BuildRecord[];
  readonly nodes: readonly NodeRecord[];
  /** Undefined when no pool was there to price. */
  readonly cost?: CostFigures;
  readonly results: readonly ResultRow[];
  readonly parts: readonly PartRow[];
  /** What the run does not prove, one sentence each. */
  readonly unproven: readonly string[];
  /** What was not as it must be; empty after a good run. */
  readonly failures: readonly string[];
}

/** Collects samples and marks while the run goes on. */
export class RunRecorder {
  readonly samples: Sample[] = [];
  readonly marks: MomentMark[] = [];
  readonly maxima: MaximumMark[] = [];
  private timer: NodeJS.Timeout | undefined;

  /** @param count asked at every sample, and must be cheap. */
  constructor(
    private readonly count: () => Omit<Sample, "at">,
    private readonly intervalMs = 250,
  ) {}

  /** Begins to take samples. */
  start(): void {
    this.take();
    this.timer = setInterval(() => {
      this.take();
    }, this.intervalMs);
  }

  /** Whether samples are being taken. */
  get running(): boolean {
    return this.timer !== undefined;
  }

  /** Takes a last sample and ends. */
  stop(): void {
    if (this.timer !== undefined) {
      clearInterval(this.timer);
      this.timer = undefined;
      this.take();
    }
  }

  /** Marks this moment. */
  mark(label: string): void {
    this.marks.push({ at: Date.now(), label });
  }

  /** The pool's maximum is this from now on. */
  maximum(maxNodes: number): void {
    this.maxima.push({ at: Date.now(), maxNodes });
  }

  private take(): void {
    const sample = { at: Date.now(), ...this.count() };
    const [last, before] = [this.samples.at(-1), this.samples.at(-2)];
    if (last !== undefined && before !== undefined && same(last, sample) && same(last, before)) {
      // Of a stretch without change only the two ends are kept.
      this.samples[this.samples.length - 1] = sample;
      return;
    }
    this.samples.push(sample);
  }
}

function same(a: Sample, b: Sample): boolean {
  return a.queued === b.queued && a.running === b.running && a.finished === b.finished && a.nodes === b.nodes;
}
