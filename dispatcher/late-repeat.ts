/**
 * Whether a build whose Job has ended is to run again, as far as a webhook can tell: only if Buildkite made it runnable
 * after that end. A job that was limited and scheduled anew keeps its id; a repeated webhook keeps its time.
 *
 * This is the answer of `webhook-only`. Where Buildkite can be asked, its answer takes this one's place.
 *
 * @param runnableAt milliseconds since 1970; `undefined` where the webhook does not say.
 * @param endedAt milliseconds since 1970, a whole second: Kubernetes keeps no more, and cuts off the rest. So is the
 * other compared, or a repeat could look later than the end of a build that took less than a second.
 */
export function isRunnableSince(runnableAt: number | undefined, endedAt: number): boolean {
  return runnableAt !== undefined && Math.floor(runnableAt / 1000) > Math.floor(endedAt / 1000);
}
