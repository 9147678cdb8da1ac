/**
 * An HTTP server that answers as a test tells it, for clients of an API.
 *
 * It models nothing: what the real server would say is the test's own claim.
 */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came. */
export interface ScriptedRequest {
  method: string;
  /** Without its query. */
  path: string;
  query: Record<string, string>;
  headers: http.IncomingHttpHeaders;
  /** Decoded JSON; `undefined` without a body. */
  body: unknown;
  /** By `performance.now()`. */
  at: number;
}

/** An answer; "cut" closes the connection, "silent" never answers. */
export type ScriptedAnswer =
  | {
      status?: number;
      headers?: Record<string, string>;
      body?: unknown;
      text?: string;
      /** After half of the text: the connection is closed, or nothing more comes. */
      halfway?: "cut" | "silent";
    }
  | "cut"
  | "silent";

export class ScriptedServer {
  /** Asked for each request. */
  answer: (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer> = () => ({ status: 404 });
  /** Every request so far. */
  readonly seen: ScriptedRequest[] = [];
  readonly #server = http.createServer((request, response) => {
    this.#handle(request, response).catch(() => request.socket.destroy());
  });

  static async start(): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    scripted.#server.listen(0, "127.0.0.1");
    await once(scripted.#server, "listening");
    return scripted;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests whose method and path match `pattern`, written as `METHOD /path`. */
  calls(pattern: RegExp): ScriptedRequest[] {
    return this.seen.filter(({ method, path }) => pattern.test(`${method} ${path}`));
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
    }
    const text = Buffer.concat(chunks).toString("utf8");
    const url = new URL(request.url ?? "/", "http://scripted");
    const seen: ScriptedRequest = {
      method: request.method ?? "",
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
      at: performance.now(),
    };
    this.seen.push(seen);
    const answer = await this.answer(seen);
    if (answer === "cut") {
      request.socket.destroy();
    } else if (answer !== "silent") {
      const { status = 200, headers = {}, body, halfway } = answer;
      const whole = answer.text ?? (body === undefined ? "" : JSON.stringify(body));
      const length = halfway === undefined ? {} : { "content-length": String(Buffer.byteLength(whole)) };
      response.writeHead(status, { "content-type": "application/json", ...length, ...headers });
      if (halfway === undefined) {
        response.end(whole);
      } else {
        response.write(whole.slice(0, whole.length / 2), () => halfway === "cut" && request.socket.destroy());
      }
    }
  }
}
