import type { NodeState } from "./node";
import { nodeName } from "./node-object";
import type { PoolSpec } from "./pool";
import type { Timers } from "./timers";

/** A machine that was asked for and is not a ready node yet. */
export interface Machine {
  readonly pool: string;
  readonly name: string;
  readonly zone: string;
  readonly bootsAt: number;
  readonly deadline: number;
  /** Its Node object exists; whoever makes that sets it. */
  registered: boolean;
}

/** What became of booting machines in one look. */
export interface BootOutcome {
  /** Ready nodes now. */
  readonly ready: readonly string[];
  /** Rule 5: not ready in time, given up; a Node object may be left. */
  readonly failed: readonly string[];
  /** Booted, and still without their Node objects. */
  readonly due: readonly Machine[];
}

/** The cloud's side of pools: machines that boot for a while before they are nodes. No clock, no cluster of its own. */
export class Machines {
  private readonly booting = new Map<string, Machine>();
  private ordered = 0;

  constructor(private readonly timers: Pick<Timers, "bootTime" | "provisionTimeout">) {}

  /** Names of one pool's machines that are not ready nodes yet. */
  of(pool: string): string[] {
    return [...this.booting.values()].filter((machine) => machine.pool === pool).map(({ name }) => name);
  }

  /** Whether this node is one that is still booting. */
  has(name: string): boolean {
    return this.booting.has(name);
  }

  /** Asks for machines, spread over the pool's zones. */
  order(pool: PoolSpec, count: number, now: number): void {
    for (let made = 0; made < count; made += 1) {
      const name = nodeName(pool);
      this.booting.set(name, {
        pool: pool.name,
        name,
        zone: pool.zones[this.ordered % pool.zones.length] ?? pool.location,
        bootsAt: now + this.timers.bootTime,
        deadline: now + this.timers.provisionTimeout,
        registered: false,
      });
      this.ordered += 1;
    }
  }

  /** Gives up a pool's booting machines. */
  cancel(pool: string): void {
    for (const name of this.of(pool)) {
      this.booting.delete(name);
    }
  }

  /** Says whose time has come to register; forgets those that are ready or too late. */
  look(pool: string, node: (name: string) => NodeState | undefined, now: number): BootOutcome {
    const ready: string[] = [];
    const failed: string[] = [];
    const due: Machine[] = [];
    for (const machine of this.booting.values()) {
      if (machine.pool !== pool) {
        continue;
      }
      if (machine.registered && node(machine.name)?.ready === true) {
        ready.push(machine.name);
      } else if (now >= machine.deadline) {
        failed.push(machine.name);
      } else if (!machine.registered && now >= machine.bootsAt) {
        due.push(machine);
      }
    }
    for (const name of [...ready, ...failed]) {
      this.booting.delete(name);
    }
    return { ready, failed, due };
  }

  /** The first moment after `now` at which the clock alone changes what {@link look} says; Infinity for never. */
  nextChange(now: number): number {
    let next = Infinity;
    for (const { bootsAt, deadline, registered } of this.booting.values()) {
      next = Math.min(next, !registered && bootsAt > now ? bootsAt : deadline);
    }
    return next;
  }
}
