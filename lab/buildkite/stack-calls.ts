import { scopeOf } from "./rate-limits";

/** Counts calls of the Stacks API by what they asked for and how they were answered. */
export class StackCalls {
  /** By `<scope> <status>`, e.g. `list-scheduled-jobs 200`; status 0: broken off. Registration is in `default`. */
  readonly byOutcome = new Map<string, number>();
  total = 0;

  /** Calls of other APIs are passed over. */
  count(path: string, status: number): void {
    if (path.startsWith("/v3/stacks/")) {
      const key = `${scopeOf(path).name} ${status}`;
      this.byOutcome.set(key, (this.byOutcome.get(key) ?? 0) + 1);
      this.total += 1;
    }
  }
}
