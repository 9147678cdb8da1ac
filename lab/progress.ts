import { RunRecorder } from "./report";
import type { LabSystem } from "./system";

/** Where things stood at one moment. */
export interface Standing {
  readonly queued: number;
  readonly running: number;
  readonly finished: number;
  readonly nodes: number;
  /** What the stack's configuration allows at that moment. */
  readonly maxNodes: number;
  readonly pendingPods: number;
}

const PRINT_EVERY_MS = 2_000;

/** Follows the system while builds run: for the picture, for the printed lines, and for the rule that bounds the nodes. */
export class Progress {
  readonly recorder: RunRecorder;
  /** Moments at which there were more nodes than the stack allows; must stay empty. */
  readonly aboveMaximum: Standing[] = [];
  private printedAt = 0;
  private printed = "";

  /**
   * @param maxNodes as the stack's configuration has it: not as the pool was declared, or a wrong declaration would
   * judge itself.
   * @param say hears the marks.
   * @param sayCounts hears the counts, every other second while they change.
   */
  constructor(
    private readonly system: LabSystem,
    private maxNodes: number,
    private readonly say: (line: string) => void,
    private readonly sayCounts: (line: string) => void,
  ) {
    this.recorder = new RunRecorder(() => this.take());
  }

  /** Begins to follow. */
  start(): void {
    this.recorder.maximum(this.maxNodes);
    this.recorder.start();
  }

  /** The stack's configuration allows so many from now on. */
  allow(maxNodes: number): void {
    this.maxNodes = maxNodes;
    this.recorder.maximum(maxNodes);
  }

  /** Marks this moment in the picture and says so. */
  mark(text: string): void {
    this.recorder.mark(text);
    this.say(text);
  }

  /** Nodes and builds now. */
  now(): Standing {
    const { buildkite, watch } = this.system;
    const jobs = buildkite.jobs();
    const count = (...states: string[]) => jobs.filter(({ state }) => states.includes(state)).length;
    const { nodes, pendingPods } = watch.counts();
    return {
      queued: count("scheduled", "assigned", "accepted"),
      running: count("running", "canceling"),
      finished: count("finished", "canceled"),
      nodes,
      maxNodes: this.maxNodes,
      pendingPods,
    };
  }

  private take(): Standing {
    const standing = this.now();
    const { nodes, maxNodes, queued, running, finished, pendingPods } = standing;
    if (nodes > maxNodes) {
      this.aboveMaximum.push(standing);
    }
    const line =
      `nodes ${nodes}/${maxNodes}  builds: ${queued} queued, ${running} running, ${finished} finished  ` +
      `pods pending: ${pendingPods}`;
    if (Date.now() - this.printedAt >= PRINT_EVERY_MS && line !== this.printed) {
      this.printedAt = Date.now();
      this.printed = line;
      this.sayCounts(line);
    }
    return standing;
  }
}
