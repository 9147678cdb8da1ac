import { setTimeout as sleep } from "node:timers/promises";
import type { Faults } from "./faults";
import { HangUp, HttpProblem } from "./http-routes";
import { scopeOf, tooManyRequests } from "./rate-limits";
import type { SeededRandom } from "./seeded-random";

/** Does to a call of the Stacks API, or of both APIs, what the faults ask for. Other paths are left alone. */
export function faultGate(
  faults: () => Faults,
  random: SeededRandom,
  signal: AbortSignal,
): (path: string) => Promise<void> {
  return async (path) => {
    const { reach, slowMs } = faults();
    if (!path.startsWith(reach === "all" ? "/v3/" : "/v3/stacks/")) {
      return;
    }
    if (slowMs > 0) {
      await sleep(slowMs, undefined, { signal }).catch(() => {
        throw new HangUp();
      });
    }
    const { outage, tooManyRequests: storm, retryAfterSeconds, serverErrorShare } = faults();
    if (outage === "reset") {
      throw new HangUp();
    }
    if (outage === "unavailable") {
      throw new HttpProblem(503, "The organization is temporarily unavailable");
    }
    if (storm) {
      const scope = scopeOf(path);
      throw tooManyRequests(scope, scope.limit + 1, retryAfterSeconds);
    }
    if (serverErrorShare > 0 && random.next() < serverErrorShare) {
      throw new HttpProblem([500, 502, 503][random.integer(0, 2)] ?? 500, "Something went wrong");
    }
  };
}
