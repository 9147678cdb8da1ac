import { KubernetesError } from "./kubernetes/client";

/** What the failure of a request to the API server means for a job. */
export type Failure =
  /** The name is taken. */
  | { kind: "exists" }
  /** The Job quota is full: wait, it is a circuit breaker and no fault. */
  | { kind: "quota" }
  /** No answer, or one that says nothing about the request: try again. What was asked may have happened. */
  | { kind: "unavailable"; retryAfterMs?: number }
  /** A clear no. It may still change: policy, template, watch and role do not change at one instant. */
  | { kind: "refused"; ofTheJob: boolean };

/** Reads the failure of a create, read or delete. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof KubernetesError)) {
    return { kind: "unavailable" };
  }
  const { status, reason, retryAfterSeconds, message } = error;
  if (status === 409 && reason === "AlreadyExists") {
    return { kind: "exists" };
  }
  // The second is said between a quota's creation and its first count.
  if (status === 403 && /exceeded quota|status unknown for quota/.test(message)) {
    return { kind: "quota" };
  }
  const hint = retryAfterSeconds === undefined ? {} : { retryAfterMs: retryAfterSeconds * 1000 };
  // 401: the token has just been renewed. 409: "object was modified", and the quota's own conflicts.
  if (status >= 500 || status === 401 || status === 408 || status === 409 || status === 429) {
    return { kind: "unavailable", ...hint };
  }
  // Else it is our rights, or the namespace: a fault of the installation, and no build's.
  return { kind: "refused", ofTheJob: status === 400 || status === 422 || /admission|PodSecurity/i.test(message) };
}
