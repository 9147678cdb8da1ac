/** Jobs that one Buildkite job may get, one after the other: then something is wrong that another pod does not heal. */
export const MOST_ATTEMPTS = 3;

/** From a Job's end to its successor's creation; doubles with each further attempt. */
export const FIRST_RETRY_WAIT_MS = 10_000;
