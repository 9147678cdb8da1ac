import type { Log } from "../log";

/** How it stands with Buildkite's API, as the last exchanges showed it; says so in the log when it changes. */
export class BuildkiteHealth {
  /** When Buildkite last answered anything, in milliseconds since 1970; 0 for never. */
  lastAnswerAt = 0;
  readonly #log: Log;
  #trouble: { cause: "token_refused" | "unavailable"; since: number; error: string } | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Whether Buildkite refuses every token we have. */
  get tokenRefused(): boolean {
    return this.#trouble?.cause === "token_refused";
  }

  /** What is wrong, and since when, in milliseconds since 1970; `undefined` for nothing. */
  get trouble(): { cause: "token_refused" | "unavailable"; since: number; error: string } | undefined {
    return this.#trouble;
  }

  get available(): boolean {
    return this.#trouble === undefined;
  }

  /** For a person. */
  get description(): Record<string, string | number | undefined> {
    return this.#trouble === undefined
      ? { api: this.lastAnswerAt === 0 ? "not asked yet" : "ok" }
      : { api: this.#trouble.cause, since: new Date(this.#trouble.since).toISOString(), error: this.#trouble.error };
  }

  /** It answered, and the answer was about the call. */
  answered(): void {
    this.lastAnswerAt = Date.now();
    if (this.#trouble !== undefined) {
      const seconds = Math.round((Date.now() - this.#trouble.since) / 1000);
      this.#log.info("Buildkite's API is back", { after: this.#trouble.cause, seconds });
      this.#trouble = undefined;
    }
  }

  /** No answer, or one that says nothing about the call. */
  unavailable(error: string): void {
    // A refused token is the older and the more useful news.
    if (this.#trouble === undefined) {
      this.#log.warn("Buildkite's API does not answer as it should; it is tried again", { error });
      this.#trouble = { cause: "unavailable", since: Date.now(), error };
    }
  }

  /** 401 with every token. */
  refusedToken(error: string): void {
    this.lastAnswerAt = Date.now();
    if (!this.tokenRefused) {
      this.#log.error("Buildkite refuses the agent token", {
        error,
        fix:
          "create an agent token in the queues' cluster at Buildkite, then: pulumi config set --secret agentToken, " +
          "pulumi up. Until then no job is found but by its webhook",
      });
      this.#trouble = { cause: "token_refused", since: Date.now(), error };
    }
  }
}
