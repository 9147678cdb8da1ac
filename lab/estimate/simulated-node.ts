import { Room } from "../autoscaler/fit";
import type { NodeState } from "../autoscaler/node";
import type { PodState } from "../autoscaler/pod";

/** A machine of the simulated pool, from its Node object on. */
export class SimulatedNode {
  readonly pods = new Map<string, PodState>();
  /** Milliseconds with at least one pod. */
  busyMs = 0;
  private busySince = 0;
  private room: Room | undefined;

  constructor(
    readonly state: NodeState,
    readonly readyAt: number,
  ) {}

  /** Rule 3, with what is on it now. */
  takes(pod: PodState): boolean {
    return this.filled().refusal(pod) === undefined;
  }

  /** The share of it that is asked for, cpu and memory taken together: what the scheduler ranks nodes by. */
  get allocation(): number {
    const { allocatable } = this.state;
    const { free } = this.filled();
    return 2 - free.cpu / allocatable.cpu - free.memory / allocatable.memory;
  }

  /** Binds a pod. */
  bind(pod: PodState, now: number): void {
    if (this.pods.size === 0) {
      this.busySince = now;
    }
    this.pods.set(pod.uid, pod);
    this.room?.place(pod);
  }

  /** A pod is over. */
  end(uid: string, now: number): void {
    this.pods.delete(uid);
    this.room = undefined;
    if (this.pods.size === 0) {
      this.busyMs += now - this.busySince;
    }
  }

  /** Kept until a pod ends: a room can only be filled. */
  private filled(): Room {
    if (this.room === undefined) {
      this.room = new Room(this.state);
      for (const pod of this.pods.values()) {
        this.room.place(pod);
      }
    }
    return this.room;
  }
}
