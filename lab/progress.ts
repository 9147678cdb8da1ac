import { RunRecorder } from "./report";
import type { LabSystem } from "./system";

/** Where things stood at one moment. */
export interface Standing {
  readonly queued: number;
  readonly running: number;
  readonly finished: number;
  readonly nodes: number;
  /** What the declared pool allows at that moment; 0 when there is none. */
  readonly maxNodes: number;
  readonly pendingPods: number;
}

const PRINT_EVERY_MS = 2_000;

/** Follows the system while builds run: for the picture, for the printed lines, and for the rule that bounds the nodes. */
export class Progress {
  readonly recorder: RunRecorder;
  /** Moments at which there were more nodes than the pool allowed; must stay empty. */
  readonly aboveMaximum: Standing[] = [];
  /** The pool whose maximum counts; set once it exists. */
  poolName: string | undefined;
  private maximum = 0;
  private printedAt = 0;
  private printed = "";

  constructor(
    private readonly system: LabSystem,
    private readonly say: (line: string) => void,
  ) {
    this.recorder = new RunRecorder(() => this.take());
  }

  /** Marks this moment in the picture and says so. */
  mark(text: string): void {
    this.recorder.mark(text);
    this.say(text);
  }

  /** Nodes and builds now. */
  now(): Standing {
    const { buildkite, watch, gcp } = this.system;
    const jobs = buildkite.jobs();
    const count = (...states: string[]) => jobs.filter(({ state }) => states.includes(state)).length;
    const pool = gcp.nodePools().find(({ name }) => name === this.poolName);
    const autoscaling = pool?.inputs["autoscaling"] as { totalMaxNodeCount?: number } | undefined;
    const { nodes, pendingPods } = watch.counts();
    return {
      queued: count("scheduled", "assigned", "accepted"),
      running: count("running", "canceling"),
      finished: count("finished", "canceled"),
      nodes,
      maxNodes: autoscaling?.totalMaxNodeCount ?? 0,
      pendingPods,
    };
  }

  private take(): Standing {
    const standing = this.now();
    const { nodes, maxNodes, queued, running, finished, pendingPods } = standing;
    if (maxNodes > 0 && maxNodes !== this.maximum) {
      this.maximum = maxNodes;
      this.recorder.maximum(maxNodes);
    }
    if (maxNodes > 0 && nodes > maxNodes) {
      this.aboveMaximum.push(standing);
    }
    const line =
      `nodes ${nodes}/${maxNodes}  builds: ${queued} queued, ${running} running, ${finished} finished  ` +
      `pods pending: ${pendingPods}`;
    if (Date.now() - this.printedAt >= PRINT_EVERY_MS && line !== this.printed) {
      this.printedAt = Date.now();
      this.printed = line;
      this.say(line);
    }
    return standing;
  }
}
