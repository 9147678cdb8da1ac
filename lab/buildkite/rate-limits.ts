import { HttpProblem } from "./http-routes";

/** One of the Stacks API's limits: calls per second of one stack. */
export interface RateScope {
  readonly name: string;
  readonly limit: number;
}

const WINDOW_MS = 1_000;
const DEFAULT: RateScope = { name: "default", limit: 10 };
/** The documented ones; what is in none of them shares the default. */
const SCOPES: readonly (RateScope & { readonly path: RegExp })[] = [
  { name: "list-scheduled-jobs", limit: 10, path: /\/scheduled-jobs$/ },
  { name: "batch-reserve", limit: 10, path: /\/scheduled-jobs\/batch-reserve$/ },
  { name: "batch-load-job-states", limit: 20, path: /\/jobs\/get-states$/ },
  { name: "finish-job", limit: 100, path: /\/jobs\/[^/]+\/finish$/ },
  { name: "show-job", limit: 1_000, path: /\/jobs\/[^/]+$/ },
  { name: "stack-notification", limit: 200, path: /\/notifications$/ },
];

/** The limit that a call of the Stacks API counts against. */
export function scopeOf(path: string): RateScope {
  return SCOPES.find((scope) => scope.path.test(path)) ?? DEFAULT;
}

/**
 * Calls per second in a sliding window, per stack and scope. Whether Buildkite counts refused calls, too, is not
 * documented; its example of a refusal says `current: 11` with a limit of 10, so here it does.
 */
export class RateLimits {
  private readonly calls = new Map<string, number[]>();

  /** Counts a call; returns how many there were in the last second, this one included. */
  take(stackKey: string, scope: RateScope): number {
    const now = Date.now();
    const key = `${scope.name} ${stackKey}`;
    const recent = (this.calls.get(key) ?? []).filter((at) => at > now - WINDOW_MS);
    recent.push(now);
    this.calls.set(key, recent);
    return recent.length;
  }
}

/** The headers that every answer of the Stacks API has. */
export function rateHeaders({ name, limit }: RateScope, current: number, resetSeconds = 1): Record<string, string> {
  return {
    "RateLimit-Scope": name,
    "RateLimit-Limit": String(limit),
    "RateLimit-Remaining": String(Math.max(limit - current, 0)),
    "RateLimit-Reset": String(resetSeconds),
  };
}

/** The 429 in its documented form. `Retry-After` is not documented, but the vendor's client honours it. */
export function tooManyRequests(scope: RateScope, current: number, retryAfterSeconds = 0): HttpProblem {
  const reset = Math.max(Math.ceil(retryAfterSeconds), 1);
  return new HttpProblem(
    429,
    `You have exceeded your API rate limit. Please wait ${reset} seconds before making more requests.`,
    {
      ...rateHeaders(scope, current, reset),
      ...(retryAfterSeconds > 0 ? { "Retry-After": String(retryAfterSeconds) } : {}),
    },
    { scope: scope.name, limit: scope.limit, current, reset },
  );
}
