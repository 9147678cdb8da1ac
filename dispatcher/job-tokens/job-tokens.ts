import type { IncomingMessage, ServerResponse } from "node:http";
import { JOB_TOKEN_PATH } from "../../components/contract";
import type { Connections } from "../connections";
import { Gate } from "../gate";
import type { Log } from "../log";
import type { Metrics } from "../metrics";
import { RequestBodies } from "../request-body";
import type { Acquisitions, Issued } from "./acquisitions";
import type { Caller, Callers } from "./callers";
import { readClaims } from "./claims";
import { Counts, Holds } from "./holds";
import { wordsOf, type Refusal } from "./refusal";

export interface JobTokensOptions {
  callers: Pick<Callers, "identify">;
  acquisitions: Pick<Acquisitions, "take">;
  /** Of the agents. */
  namespace: string;
  metrics: Pick<Metrics, "jobTokens">;
  log: Log;
  signal: AbortSignal;
  /** How long an address waits that sent a token which nobody vouches for; default 10,000. */
  holdMs?: number;
}

/** Larger than any service account token. */
const BODY_LIMIT_BYTES = 16 * 1024;
const BODIES_LIMIT_BYTES = 2 * 1024 * 1024;
/** Requests in hand, and pods that the API server is asked about at one time. */
const MOST_IN_HAND = 512;
const WIDTH = 8;
/** One pod's tokens: the first, and two whose answers got lost. By replica. */
const MOST_TOKENS = 3;
const HOLD_MS = 10_000;
/** Addresses and pods that are remembered. */
const MOST_REMEMBERED = 10_000;

/**
 * `POST /job-token` with a pod's service account token as its body: answers with the acquisition token of that pod's job,
 * reserved in the same moment. Whatever is not certain is a no. Neither token is ever logged.
 */
export class JobTokens {
  readonly #options: JobTokensOptions;
  readonly #bodies = new RequestBodies(BODY_LIMIT_BYTES, BODIES_LIMIT_BYTES);
  readonly #gate = new Gate(WIDTH);
  readonly #issued = new Counts(MOST_REMEMBERED);
  readonly #holds: Holds;
  readonly #holdMs: number;
  readonly #unsaid = new Map<string, { at: number; count: number }>();
  #inHand = 0;

  constructor(options: JobTokensOptions) {
    this.#options = options;
    this.#holdMs = options.holdMs ?? HOLD_MS;
    this.#holds = new Holds(this.#holdMs, MOST_REMEMBERED);
  }

  /** Answers one request. */
  async handle(request: IncomingMessage, response: ServerResponse, connections?: Connections): Promise<void> {
    if (request.url !== JOB_TOKEN_PATH || request.method !== "POST") {
      response.writeHead(request.url === JOB_TOKEN_PATH ? 405 : 404, { connection: "close" }).end();
      return;
    }
    const body = await this.#bodies.read(request);
    if (typeof body === "string") {
      request.socket.destroy();
      return;
    }
    this.#inHand++;
    try {
      const address = request.socket.remoteAddress ?? "unknown";
      const answer = await this.#answer(body.toString("latin1").trim(), address, () => {
        connections?.hold(request.socket);
      });
      this.#options.metrics.jobTokens.inc({ outcome: "token" in answer ? "issued" : answer.refused });
      send(response, answer);
    } finally {
      this.#inHand--;
      connections?.release(request.socket);
    }
  }

  async #answer(token: string, address: string, onGenuine: () => void): Promise<Issued | Refusal> {
    const { callers, acquisitions, namespace, signal, log } = this.#options;
    if (this.#inHand > MOST_IN_HAND) {
      return this.#refuse({ refused: "busy", retryAfterSeconds: 5 }, address);
    }
    if (readClaims(token, namespace) === undefined) {
      return this.#refuse({ refused: "not_a_token" }, address);
    }
    const caller = await this.#gate.run<Caller | Refusal>(async () =>
      // Asked when its turn has come: of a flood, the first few are enough to turn away the rest.
      this.#holds.has(address)
        ? { refused: "held_off", retryAfterSeconds: Math.ceil(this.#holdMs / 1000) }
        : await callers.identify(token, signal),
    );
    if ("refused" in caller) {
      if (caller.refused === "not_authenticated") {
        this.#holds.add(address);
      }
      return this.#refuse(caller, address);
    }
    onGenuine();
    const { uuid, podName, podUid } = caller;
    if (this.#issued.get(podUid) >= MOST_TOKENS) {
      return this.#refuse({ refused: "used_up" }, address, caller);
    }
    // Counted before it is there: requests that come at once are counted all.
    this.#issued.add(podUid);
    const answer = await acquisitions.take(uuid);
    if ("refused" in answer) {
      this.#issued.takeBack(podUid);
      return this.#refuse(answer, address, caller);
    }
    log.info("job token issued", { uuid, pod: podName, of: this.#issued.get(podUid) });
    return answer;
  }

  /** Known pods each get their line; of strangers one a second for each cause: a flood is a number, not a log. */
  #refuse(refusal: Refusal, address: string, caller?: Caller): Refusal {
    const { log } = this.#options;
    const { refused: cause, detail } = refusal;
    if (caller !== undefined) {
      log.warn("job token refused", { cause, uuid: caller.uuid, pod: caller.podName, detail });
      return refusal;
    }
    const now = performance.now();
    const last = this.#unsaid.get(cause);
    if (last !== undefined && now - last.at < 1000) {
      last.count++;
    } else {
      this.#unsaid.set(cause, { at: now, count: 0 });
      log.warn("job token refused", { cause, address, detail, unsaid: last?.count });
    }
    return refusal;
  }
}

function send(response: ServerResponse, answer: Issued | Refusal): void {
  const headers = { "content-type": "text/plain", "cache-control": "no-store", connection: "close" };
  if ("token" in answer) {
    response.writeHead(200, headers).end(answer.token);
    return;
  }
  const { status, words } = wordsOf(answer.refused);
  const retry = answer.retryAfterSeconds === undefined ? {} : { "retry-after": String(answer.retryAfterSeconds) };
  response.writeHead(status, { ...headers, ...retry }).end(`${words}\n`);
}
