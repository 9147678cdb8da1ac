import type http from "node:http";

/** A complete answer. */
export interface Answer {
  status: number;
  /** Of an answer that is not 2xx. */
  retryAfter: string | undefined;
  /** `RateLimit-Reset`, of an answer that is not 2xx. */
  rateLimitReset?: string;
  body: Buffer;
}

/**
 * Sends the request with its body and waits for the complete answer, at most `timeoutMs`.
 *
 * The signal is listened to here, and a header is looked at only where it can matter: both are a measurable part of what
 * a Job costs when Node does them.
 */
export function answerOf(
  request: http.ClientRequest,
  body: string | undefined,
  what: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      request.destroy(Object.assign(new Error(`${what}: called off`), { name: "AbortError", code: "ABORT_ERR" }));
    };
    const timer = setTimeout(() => request.destroy(timeout(what, timeoutMs)), timeoutMs);
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const fail = (error: Error): void => {
      done();
      reject(error);
    };
    signal?.addEventListener("abort", onAbort);
    request.on("error", fail);
    request.once("response", (response) => {
      collect(response).then((bytes) => {
        done();
        const status = response.statusCode ?? 0;
        if (status < 300) {
          resolve({ status, retryAfter: undefined, body: bytes });
          return;
        }
        const reset = response.headers["ratelimit-reset"];
        const rateLimitReset = typeof reset === "string" ? reset : undefined;
        resolve({ status, retryAfter: response.headers["retry-after"], rateLimitReset, body: bytes });
      }, fail);
    });
    request.end(body);
    if (signal?.aborted === true) {
      onAbort();
    }
  });
}

/** The whole body; fails when it is cut short. */
export function collect(response: http.IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("error", reject);
    response.once("aborted", () => {
      reject(Object.assign(new Error("the server closed the connection within its answer"), { code: "ECONNRESET" }));
    });
    response.once("end", () => {
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
    });
  });
}

/** The error of our own time limit. */
export function timeout(what: string, timeoutMs: number): Error {
  return Object.assign(new Error(`${what}: no answer within ${timeoutMs} ms`), { code: "ETIMEDOUT" });
}

/** The `code` of a network error, where it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
