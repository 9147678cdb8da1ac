import type http from "node:http";

/** A complete answer. */
export interface Answer {
  status: number;
  retryAfter: string | undefined;
  body: Buffer;
}

/** Sends the request with its body and waits for the complete answer, at most `timeoutMs`. */
export function answerOf(
  request: http.ClientRequest,
  body: Buffer | undefined,
  what: string,
  timeoutMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(timeout(what, timeoutMs)), timeoutMs);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    request.on("error", fail);
    request.once("response", (response) => {
      collect(response).then((bytes) => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"], body: bytes });
      }, fail);
    });
    request.end(body);
  });
}

/** The whole body; fails when it is cut short. */
export function collect(response: http.IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("error", reject);
    response.once("aborted", () => {
      reject(
        Object.assign(new Error("the API server closed the connection within its answer"), { code: "ECONNRESET" }),
      );
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
