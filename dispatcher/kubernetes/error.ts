/** The parts of a metav1.Status that are used. */
export interface KubernetesStatus {
  message?: string;
  reason?: string;
  code?: number;
  details?: {
    name?: string;
    kind?: string;
    retryAfterSeconds?: number;
    causes?: { reason?: string; message?: string }[];
  };
}

/** The API server answered, and the answer was no. */
export class KubernetesError extends Error {
  /** The HTTP status. */
  readonly status: number;
  /** For example `AlreadyExists`, `Conflict`, `Forbidden`, `Invalid`, `Expired`. */
  readonly reason?: string;
  /** How long the server asks us to wait. */
  readonly retryAfterSeconds?: number;
  /** The Status object, where the body was one. */
  readonly body?: KubernetesStatus;

  constructor(what: string, status: number, body: KubernetesStatus | undefined, retryAfter?: string) {
    super(`${what}: ${status} ${body?.reason ?? ""}: ${(body?.message ?? "").slice(0, 500)}`);
    this.name = "KubernetesError";
    this.status = status;
    this.reason = body?.reason;
    this.body = body;
    const seconds = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined;
    this.retryAfterSeconds = seconds ?? body?.details?.retryAfterSeconds;
  }
}

/** Reads a Status from a body; `undefined` when it is something else, for example a proxy's page. */
export function statusOf(text: string): KubernetesStatus | undefined {
  try {
    const value = JSON.parse(text) as (KubernetesStatus & { kind?: unknown }) | null;
    return value?.kind === "Status" ? value : undefined;
  } catch {
    return undefined;
  }
}
