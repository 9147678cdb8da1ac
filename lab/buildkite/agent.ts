/** An agent that has registered. */
export interface FakeAgent {
  readonly id: string;
  readonly name: string;
  readonly accessToken: string;
  /** `k=v` tags, the queue's among them. */
  readonly tags: readonly string[];
  /** True for agents in acquire mode: they never get a job by ping. */
  ignoresDispatch: boolean;
  readonly registeredAt: number;
  /** The agent token or job acquisition token it came with. */
  readonly registeredWith?: string;
  connected: boolean;
  /** Epoch milliseconds of its last call. */
  lastSeen: number;
  /** When it said that it takes no more jobs, and when it signed off or was given up. */
  stoppingAt?: number;
  disconnectedAt?: number;
  /** The job it has, until it finishes. */
  jobId?: string;
}

/** Whether an agent with these tags may run a job with these rules; `*` or an empty value in a rule matches any. */
export function meets(tags: readonly string[], rules: readonly string[]): boolean {
  return rules.every((rule) => {
    const at = rule.indexOf("=");
    const key = at < 0 ? rule : rule.slice(0, at);
    const value = at < 0 ? "" : rule.slice(at + 1);
    if (key === "*") {
      return true;
    }
    if (value === "*" || value === "") {
      return tags.some((tag) => tag.startsWith(`${key}=`));
    }
    return tags.includes(rule);
  });
}
