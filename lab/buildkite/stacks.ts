import { HttpProblem } from "./http-routes";
import type { SeededRandom } from "./seeded-random";
import type { StackRegistration } from "./stack-requests";

/** A registered stack. */
export interface FakeStack extends StackRegistration {
  readonly id: string;
  /** Epoch milliseconds. */
  lastConnectedAt: number;
}

const QUOTA = 30;

/** The stacks there are. One that has deregistered is forgotten: whether Buildkite still knows its key is not documented. */
export class Stacks {
  private readonly byKey = new Map<string, FakeStack>();

  constructor(private readonly random: SeededRandom) {}

  /** All that are registered. */
  list(): FakeStack[] {
    return [...this.byKey.values()];
  }

  /** Adds it, or brings it up to date. @throws HttpProblem 403 when there are too many. */
  register(registration: StackRegistration): { stack: FakeStack; isNew: boolean } {
    const known = this.byKey.get(registration.key);
    if (known === undefined && this.byKey.size >= QUOTA) {
      throw new HttpProblem(403, `The organization has its limit of ${QUOTA} stacks`);
    }
    const stack = { ...registration, id: known?.id ?? this.random.uuid(), lastConnectedAt: Date.now() };
    this.byKey.set(stack.key, stack);
    return { stack, isNew: known === undefined };
  }

  /** The stack of that key, which has just called. @throws HttpProblem 404. */
  calling(key: string): FakeStack {
    const stack = this.byKey.get(key);
    if (stack === undefined) {
      throw new HttpProblem(404, "Stack not found");
    }
    stack.lastConnectedAt = Date.now();
    return stack;
  }

  /** Forgets one, or all. */
  forget(key?: string): void {
    if (key === undefined) {
      this.byKey.clear();
    } else {
      this.byKey.delete(key);
    }
  }
}
