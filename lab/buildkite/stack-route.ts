import type { Board } from "./board";
import { HttpProblem, jsonObject, type FakeRequest, type FakeResponse, type Route } from "./http-routes";
import { RateLimits, rateHeaders, scopeOf, tooManyRequests } from "./rate-limits";

/**
 * What all routes of the Stacks API have in common: the limits per stack and second, their headers on every answer, and that
 * a call which is wrong by itself (400, a registration's 422, 429) is remembered as a violation.
 *
 * @returns what makes a route, of its path after `/v3/stacks`.
 */
export function stackRoutes(
  board: Board,
  withUnknownFields: () => boolean,
): (method: string, path: string, handle: (request: FakeRequest) => FakeResponse) => Route {
  const limits = new RateLimits();
  return (method, path, handle) => ({
    method,
    path: `/v3/stacks${path}`,
    handle: (request) => {
      const scope = scopeOf(request.path);
      const current = limits.take(request.params["key"] ?? keyInBody(request), scope);
      const headers = rateHeaders(scope, current);
      try {
        if (current > scope.limit) {
          throw tooManyRequests(scope, current);
        }
        const answer = handle(request);
        return { ...answer, body: withUnknownFields() ? unfamiliar(answer.body) : answer.body, headers };
      } catch (error) {
        if (!(error instanceof HttpProblem)) {
          throw error;
        }
        if ([400, 429].includes(error.status) || (error.status === 422 && path === "/register")) {
          board.violations.push(`${method} ${request.path}: ${error.status} ${error.message}`);
        }
        throw new HttpProblem(error.status, error.message, { ...headers, ...error.headers }, error.details);
      }
    },
  });
}

/** A registration is counted against the stack that its body names. */
function keyInBody(request: FakeRequest): string {
  try {
    return String(jsonObject(request)["key"]);
  } catch {
    return "";
  }
}

/** With fields that nobody knows, at the top and in every entry of a list. */
function unfamiliar(body: unknown): unknown {
  if (typeof body !== "object" || body === null) {
    return body;
  }
  const fields = Object.entries(body).map(([name, value]): [string, unknown] => [
    name,
    Array.isArray(value) ? (value as unknown[]).map(unfamiliar) : value,
  ]);
  return { ...Object.fromEntries(fields), from_the_future: { version: 2, flags: ["x"], none: null } };
}
