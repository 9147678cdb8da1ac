/** Buildkite answered a call of the Stacks API, and the answer was no. */
export class StacksError extends Error {
  /** The HTTP status. */
  readonly status: number;
  /** How long Buildkite asks us to wait. */
  readonly retryAfterMs?: number;

  /** @param message what Buildkite said; without any token. */
  constructor(what: string, status: number, message: string, retryAfterMs?: number) {
    super(`Buildkite: ${what}: ${status}${message === "" ? "" : ` ${message}`}`);
    this.name = "StacksError";
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Whether the error is this answer of Buildkite's. */
export function isStatus(error: unknown, ...statuses: readonly number[]): error is StacksError {
  return error instanceof StacksError && statuses.includes(error.status);
}

/** The longest hint that is followed. */
const LONGEST_HINT_MS = 60_000;

/**
 * How long an answer asks us to wait: `Retry-After` in seconds (fractions are allowed), else `RateLimit-Reset` in seconds
 * or, where it is that large, as a time of day.
 */
export function hintOf(
  retryAfter: string | undefined,
  rateLimitReset: string | undefined,
  nowMs: number,
): number | undefined {
  const seconds = [retryAfter, rateLimitReset].map(secondsIn).find((value) => value !== undefined);
  if (seconds === undefined) {
    return undefined;
  }
  const milliseconds = seconds > 1e9 ? seconds * 1000 - nowMs : seconds * 1000;
  return Math.min(Math.max(milliseconds, 0), LONGEST_HINT_MS);
}

function secondsIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,12}(\.\d{1,6})?$/.test(text.trim()) ? Number(text) : undefined;
}
