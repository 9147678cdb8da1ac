/** Why a pod gets no token: one of a bounded set, so that it can label a metric. */
export type Cause = keyof typeof REFUSALS;

/** A pod gets no token, now or ever. */
export interface Refusal {
  readonly refused: Cause;
  /** When to ask again at the earliest, in seconds; only where asking again may help. */
  readonly retryAfterSeconds?: number;
  /** For our own log: never a token. */
  readonly detail?: string;
}

interface Words {
  readonly status: number;
  /** For the person who reads the pod's log; always the same text, nothing of what was sent or found. */
  readonly words: string;
}

/** Statuses: 4xx is final, but for 429; 5xx is asked again. */
const REFUSALS = {
  not_a_token: { status: 401, words: "no service account token of a build pod, or not for this audience" },
  not_authenticated: { status: 401, words: "the API server does not accept the service account token" },
  held_off: { status: 429, words: "too many wrong tokens came from this address" },
  busy: { status: 503, words: "the dispatcher has too much to do" },
  cannot_check: { status: 503, words: "the API server cannot be asked" },
  no_such_pod: { status: 403, words: "the token's pod is gone, or another one has its name" },
  pod_not_starting: { status: 403, words: "the pod is past its start: a token is given out before its agent only" },
  pod_not_ours: { status: 403, words: "the pod was not made for a build" },
  job_not_ours: { status: 403, words: "the pod does not belong to a live Job of a build" },
  used_up: { status: 403, words: "this pod has had as many tokens as it may" },
  not_runnable: {
    status: 409,
    words: "Buildkite says that the build's job is not to be run: canceled, over, or with an agent",
  },
  not_yet: { status: 503, words: "Buildkite gives the job to nobody just now" },
  buildkite_refused: { status: 403, words: "Buildkite refuses to give out a token; the dispatcher's log says why" },
  buildkite_away: { status: 503, words: "Buildkite cannot be asked just now" },
} as const satisfies Record<string, Words>;

/** How a refusal is answered. */
export function wordsOf(cause: Cause): Words {
  return REFUSALS[cause];
}
