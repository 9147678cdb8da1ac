import http from "node:http";
import https from "node:https";
import { backoff } from "../backoff";
import { answerOf, codeOf, type Answer } from "../kubernetes/exchange";
import { messageOf } from "../log";
import type { BuildkiteHealth } from "./health";
import { Pace } from "./pace";
import { hintOf, StacksError } from "./stacks-error";

/** Calls of one stack that Buildkite allows in a second, by kind of call. */
const DOCUMENTED_LIMITS = { list: 10, reserve: 10, states: 20, finish: 100, notify: 200, other: 10 } as const;

/**
 * Part of the limit that one process takes: two replicas and, while they are rolled, a third share the stack and its
 * limits, and stay below them.
 */
const STANDARD_SHARE = 0.25;

export type CallKind = keyof typeof DOCUMENTED_LIMITS;

export interface StacksConnectionOptions {
  /** For example `https://agent.buildkite.com/v3`. */
  endpoint: string;
  /** Asked before every call; the first that is accepted is kept to. */
  tokens: () => readonly string[];
  userAgent: string;
  health: BuildkiteHealth;
  /** Hears of each exchange: its kind, the status or an error's code, its duration. */
  onExchange: (kind: CallKind, code: string, seconds: number) => void;
  /** For one exchange; default 30,000. */
  timeoutMs?: number;
  /** Before a call is tried again, doubling with each failure; default 500. */
  firstRetryMs?: number;
  /** Part of the documented limits that is used; default a quarter. */
  share?: number;
}

export interface StacksCall {
  kind: CallKind;
  method: "GET" | "POST" | "PUT";
  /** Below the endpoint, with its query. */
  path: string;
  body?: unknown;
}

/** A call is tried so often when Buildkite is away, overloaded or asks for patience; after that it is the caller's turn. */
const MOST_TRIES = 3;
const LONGEST_RETRY_MS = 10_000;

/** Calls of Buildkite's Stacks API, of each kind no faster than allowed. */
export class StacksConnection {
  readonly #options: StacksConnectionOptions;
  readonly #base: URL;
  readonly #transport: typeof http | typeof https;
  readonly #agent: http.Agent;
  readonly #paces: Readonly<Record<CallKind, Pace>>;
  #accepted: string | undefined;

  constructor(options: StacksConnectionOptions) {
    this.#options = options;
    this.#base = new URL(options.endpoint);
    const secure = this.#base.protocol === "https:";
    this.#transport = secure ? https : http;
    this.#agent = new this.#transport.Agent({ keepAlive: true, maxSockets: 8 });
    const { share = STANDARD_SHARE } = options;
    const pace = (kind: CallKind): Pace => new Pace(DOCUMENTED_LIMITS[kind] * share);
    this.#paces = {
      list: pace("list"),
      reserve: pace("reserve"),
      states: pace("states"),
      finish: pace("finish"),
      notify: pace("notify"),
      other: pace("other"),
    };
  }

  /**
   * One call, tried again where that may help.
   *
   * @returns the decoded answer; `undefined` where the body was empty.
   * @throws StacksError on any status but 2xx (401: with every token); an ordinary Error when there was no answer: a
   * write may then have happened or not; AbortError.
   */
  async call(call: StacksCall, signal: AbortSignal): Promise<unknown> {
    const { health, firstRetryMs = 500 } = this.#options;
    for (let tries = 1; ; tries++) {
      let failure: Error;
      let hint: number | undefined;
      try {
        const answer = await this.#withTokens(call, signal);
        health.answered();
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof StacksError && error.status < 500 && error.status !== 429 && error.status !== 408) {
          if (error.status === 401) {
            health.refusedToken(error.message);
          } else {
            health.answered();
          }
          throw error;
        }
        failure = error instanceof Error ? error : new Error(String(error));
        hint = error instanceof StacksError ? error.retryAfterMs : undefined;
      }
      health.unavailable(messageOf(failure));
      // Whoever calls next waits as well: the limit is not this caller's, and an outage is everybody's.
      this.#paces[call.kind].holdOff(
        Math.max((hint ?? 0) * (1 + Math.random() / 4), backoff(firstRetryMs, LONGEST_RETRY_MS, tries)),
      );
      if (tries >= MOST_TRIES) {
        throw failure;
      }
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  /** With the token that was accepted last, then with the others. */
  async #withTokens(call: StacksCall, signal: AbortSignal): Promise<unknown> {
    const known = this.#options.tokens();
    const accepted = known.filter((token) => token === this.#accepted);
    const candidates = [...accepted, ...known.filter((token) => token !== this.#accepted)];
    let refused: StacksError | undefined;
    for (const token of candidates) {
      try {
        const answer = await this.#exchange(call, token, signal);
        this.#accepted = token;
        return answer;
      } catch (error) {
        if (!(error instanceof StacksError) || error.status !== 401) {
          throw error;
        }
        refused = error;
      }
    }
    throw refused ?? new Error("there is no agent token");
  }

  async #exchange(call: StacksCall, token: string, signal: AbortSignal): Promise<unknown> {
    const { kind, method, path } = call;
    const { timeoutMs = 30_000, userAgent, onExchange } = this.#options;
    await this.#paces[kind].take(signal);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const url = new URL(this.#base.pathname.replace(/\/$/, "") + path, this.#base);
    const headers: http.OutgoingHttpHeaders = {
      accept: "application/json",
      authorization: `Token ${token}`,
      "user-agent": userAgent,
      ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    const request = this.#transport.request(url, { method, headers, agent: this.#agent });
    const what = `${method} ${url.pathname}`;
    const began = performance.now();
    let code = "error";
    try {
      const answer = await answerOf(request, body, what, timeoutMs, signal);
      code = String(answer.status);
      return this.#read(answer, what);
    } catch (error) {
      code = codeOf(error) ?? code;
      throw error;
    } finally {
      onExchange(kind, code, (performance.now() - began) / 1000);
    }
  }

  #read({ status, retryAfter, rateLimitReset, body }: Answer, what: string): unknown {
    const text = body.toString("utf8");
    if (status < 200 || status > 299) {
      throw new StacksError(what, status, this.#messageIn(text), hintOf(retryAfter, rateLimitReset, Date.now()));
    }
    try {
      return text === "" ? undefined : JSON.parse(text);
    } catch {
      // A proxy's page, or half of an answer: nothing about the call.
      throw new StacksError(what, 502, "the answer is not JSON");
    }
  }

  /** What a person may read of an error's body; whatever it quotes, no token. */
  #messageIn(text: string): string {
    let message: unknown;
    try {
      message = (JSON.parse(text) as { message?: unknown } | null)?.message;
    } catch {
      message = undefined;
    }
    const words = typeof message === "string" ? message : "";
    // Before it is cut: half of a token is a secret, too.
    return this.#options
      .tokens()
      .reduce((clean, token) => clean.replaceAll(token, "[token]"), words)
      .slice(0, 300);
  }
}
