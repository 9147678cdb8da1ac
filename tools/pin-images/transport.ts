import { setTimeout as sleep } from "node:timers/promises";

/** How long a registry may keep us waiting. */
export interface Patience {
  /** For one answer, its body included, in milliseconds. */
  readonly answer: number;
  /** Between two attempts where the registry names no time, in milliseconds; doubled each time. */
  readonly pause: number;
  /** For all pauses of one request together, in milliseconds. A registry that asks for more is not waited for. */
  readonly pauses: number;
  /** How often one request is sent at most. */
  readonly attempts: number;
}

/** For a person at a terminal and for CI. */
export const PATIENCE: Patience = { answer: 20_000, pause: 1000, pauses: 60_000, attempts: 4 };

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** Why there is no answer: the reason in words, and what to do. Whoever knows the image adds it. */
export class NoAnswer extends Error {
  constructor(
    readonly reason: string,
    readonly fix: string,
  ) {
    super(`${reason}. ${fix}`);
  }
}

/** What a request may be told. */
export interface SendOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly patience: Patience;
  /** Whether plain HTTP may be spoken with a host (with its port). */
  readonly mayBePlain: (host: string) => boolean;
  readonly signal?: AbortSignal;
}

/** The specification asks registries for manifests of up to 4 MiB; a configuration is far smaller. */
const BODY_BYTES = 4 * 1024 * 1024;

/**
 * Sends one request. 429, 5xx and broken connections are tried again, as long as `Retry-After` and patience allow.
 *
 * @returns any other answer, whatever its status.
 * @throws NoAnswer; the signal's reason.
 */
export async function send(url: URL, options: SendOptions): Promise<Answer> {
  const { patience, signal } = options;
  let left = patience.pauses;
  for (let attempt = 1; ; attempt++) {
    const outcome = await exchange(url, options).catch((error: unknown) => {
      signal?.throwIfAborted();
      return failureOf(error, url, patience);
    });
    if (!(outcome instanceof Failure) && outcome.status !== 429 && outcome.status < 500) return outcome;
    if (outcome instanceof Failure && !outcome.passing) throw outcome.noAnswer;
    const asked = outcome instanceof Failure ? undefined : retryAfter(outcome.headers);
    const pause = asked ?? patience.pause * 2 ** (attempt - 1);
    if (attempt >= patience.attempts || pause > left) {
      throw outcome instanceof Failure ? outcome.noAnswer : givenUp(outcome, url, asked, patience);
    }
    left -= pause;
    await sleep(pause, undefined, signal === undefined ? {} : { signal });
  }
}

async function exchange(url: URL, options: SendOptions): Promise<Answer> {
  refusePlain(url, options);
  const timeout = AbortSignal.timeout(options.patience.answer);
  const response = await fetch(url, {
    method: options.method ?? "GET",
    headers: { "user-agent": "buildkite-scale-to-zero", ...options.headers },
    signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES) {
      throw new NoAnswer(
        `its answer is longer than ${BODY_BYTES} bytes`,
        "That is no manifest: see what is served there",
      );
    }
    chunks.push(chunk);
  }
  // Where it was led on to: fetch leaves credentials behind at another origin, but would read plain HTTP.
  refusePlain(new URL(response.url), options);
  return { status: response.status, headers: response.headers, body: Buffer.concat(chunks) };
}

function refusePlain(url: URL, { mayBePlain }: SendOptions): void {
  if (url.protocol !== "https:" && !(url.protocol === "http:" && mayBePlain(url.host))) {
    throw new NoAnswer(
      `it leads to ${url.origin}, which is not HTTPS`,
      `Only loopback may be asked in clear; if that is meant: --insecure ${url.host}`,
    );
  }
}

/** Seconds or a date, as milliseconds from now. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  const milliseconds = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(milliseconds, 0);
}

function givenUp({ status }: Answer, url: URL, asked: number | undefined, patience: Patience): NoAnswer {
  const wait = asked === undefined ? "" : `, and asks to wait ${Math.ceil(asked / 1000)} s`;
  return status === 429
    ? new NoAnswer(
        `${url.host} answers 429, too many requests${wait} (it is waited for ${patience.pauses / 1000} s at most)`,
        "Try again later, or log in with docker login: limits are higher then",
      )
    : new NoAnswer(
        `${url.host} answers ${status}, ${patience.attempts} times at most${wait}`,
        "The fault is on its side: look at its status page, try again later",
      );
}

class Failure {
  constructor(
    readonly noAnswer: NoAnswer,
    /** Whether trying again may help. */
    readonly passing: boolean,
  ) {}
}

const UNREACHABLE = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/;
const TLS = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|EPROTO)/;

function failureOf(error: unknown, url: URL, patience: Patience): Failure {
  if (error instanceof NoAnswer) return new Failure(error, false);
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return lasting(`${url.host} gave no whole answer within ${patience.answer / 1000} s`, "Try again later");
  }
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  const code = (inner as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return lasting(
      `the name ${url.hostname} could not be looked up (${code})`,
      "See that it is written right and that this machine has DNS; behind a proxy set HTTPS_PROXY and NODE_USE_ENV_PROXY=1",
    );
  }
  if (UNREACHABLE.test(code)) {
    return lasting(
      `${url.host} cannot be reached (${code})`,
      "See that it is up and that this machine may reach it; behind a proxy set HTTPS_PROXY and NODE_USE_ENV_PROXY=1",
    );
  }
  if (TLS.test(code)) {
    return lasting(
      `no trusted TLS connection with ${url.host} (${code})`,
      `If its certificate is of an authority of your own: NODE_EXTRA_CA_CERTS=<file.pem>; if it speaks plain HTTP only: --insecure ${url.host}`,
    );
  }
  const words = code !== "" ? code : inner instanceof Error ? inner.message : String(inner);
  return new Failure(new NoAnswer(`${url.host} broke off the connection (${words})`, "Try again later"), true);
}

function lasting(reason: string, fix: string): Failure {
  return new Failure(new NoAnswer(reason, fix), false);
}
