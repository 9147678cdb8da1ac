import type { PodState } from "../autoscaler/pod";

/** Pods without a node, by what they request, oldest first. */
export class WaitingPods {
  private readonly classes = new Map<string, { readonly pods: PodState[]; head: number }>();

  /** @param most pods of one class that could ever have a place at once; more of it than this changes no plan. */
  constructor(private readonly most: (pod: PodState) => number) {}

  /** Whether none waits. */
  get empty(): boolean {
    for (const { pods, head } of this.classes.values()) {
      if (head < pods.length) {
        return false;
      }
    }
    return true;
  }

  add(pod: PodState): void {
    const key = classOf(pod);
    const known = this.classes.get(key) ?? { pods: [], head: 0 };
    this.classes.set(key, known);
    known.pods.push(pod);
  }

  /** Offers pods, oldest first, until of each class one was refused: the next of a class would be, too. */
  offer(take: (pod: PodState) => boolean): void {
    const refused = new Set<object>();
    for (;;) {
      let oldest: { readonly pods: PodState[]; head: number } | undefined;
      for (const line of this.classes.values()) {
        const first = line.pods[line.head];
        if (
          first !== undefined &&
          !refused.has(line) &&
          first.createdAt < (oldest?.pods[oldest.head]?.createdAt ?? Infinity)
        ) {
          oldest = line;
        }
      }
      const pod = oldest?.pods[oldest.head];
      if (oldest === undefined || pod === undefined) {
        return;
      }
      if (!take(pod)) {
        refused.add(oldest);
        continue;
      }
      oldest.head += 1;
      if (oldest.head > 1000 && oldest.head * 2 > oldest.pods.length) {
        oldest.pods.splice(0, oldest.head);
        oldest.head = 0;
      }
    }
  }

  /**
   * Those that a plan must see, oldest first: of each class no more than could have a place at once. A pod beyond finds all
   * rooms full of its like, or of others, whatever the plan.
   */
  visible(): PodState[] {
    const seen: PodState[] = [];
    for (const { pods, head } of this.classes.values()) {
      const first = pods[head];
      if (first !== undefined) {
        seen.push(...pods.slice(head, head + this.most(first)));
      }
    }
    return this.classes.size === 1 ? seen : seen.sort((a, b) => a.createdAt - b.createdAt);
  }
}

function classOf({ requests }: PodState): string {
  return `${requests.cpu}/${requests.memory}/${requests.ephemeralStorage}`;
}
