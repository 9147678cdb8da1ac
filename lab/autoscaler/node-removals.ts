import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { pause } from "../kubelet/pause";
import { removeNode, type Objection, type RemovalOptions } from "./node-removal";

/** What removals need of the autoscaler. */
export interface NodeRemovalsOptions {
  readonly client: KubernetesClient;
  readonly signal: AbortSignal;
  /** How long evicted pods may take to end. */
  readonly graceMs: number;
  /** Whether the autoscaler's own watch still lists the node. */
  readonly known: (name: string) => boolean;
  /** Hears the beginning and the end of each removal. */
  readonly tell: (kind: "scale-down" | "node-gone" | "stayed" | "failed", name: string, why?: string) => void;
}

/** The removals under way, one per node. */
export class NodeRemovals {
  private readonly underWay = new Map<string, Promise<void>>();

  constructor(private readonly options: NodeRemovalsOptions) {}

  /** Whether this node is being removed. */
  has(name: string): boolean {
    return this.underWay.has(name);
  }

  /** Names of the nodes being removed. */
  names(): ReadonlySet<string> {
    return new Set(this.underWay.keys());
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.underWay.values());
  }

  /** Removes a node, or joins its removal; resolves when that has ended, however. */
  remove(
    name: string,
    why: string,
    objection: Objection,
    budgets: RemovalOptions["budgets"] = "honoured",
  ): Promise<void> {
    const known = this.underWay.get(name);
    if (known !== undefined) {
      return known;
    }
    this.options.tell("scale-down", name, why);
    const removal = this.run(name, objection, budgets).finally(() => this.underWay.delete(name));
    this.underWay.set(name, removal);
    return removal;
  }

  private async run(name: string, objection: Objection, budgets: RemovalOptions["budgets"]): Promise<void> {
    const { client, signal, graceMs, known, tell } = this.options;
    try {
      const stayed = await removeNode(name, { client, signal, graceMs, objection, budgets });
      if (stayed !== undefined) {
        tell("stayed", name, stayed);
        return;
      }
      // Until the autoscaler's watch has seen it go, the node must count as being removed, or it would be removed twice.
      while (!signal.aborted && known(name)) {
        await pause(50, signal);
      }
      tell("node-gone", name);
    } catch (error) {
      if (!signal.aborted) {
        tell("failed", name, error instanceof Error ? error.message : String(error));
      }
    }
  }
}
