import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** One request, as a route's handler sees it. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  /** Values of the route's `:name` segments, percent-decoded (agents send dots as %2E). */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** What follows `Token ` in the Authorization header; undefined without one. */
  readonly token: string | undefined;
}

/** What a handler answers; `body` is sent as JSON, undefined as an empty body. */
export interface FakeResponse {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A row of an API's table. `path` holds `:name` segments, each matching one path segment. */
export interface Route {
  readonly method: string;
  readonly path: string;
  readonly handle: (request: FakeRequest) => FakeResponse | Promise<FakeResponse>;
}

/** Thrown by a handler to answer with an error in Buildkite's form, `{"message": ...}`. */
export class HttpProblem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
    /** More fields of the body. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** Thrown by a handler or the gate to break the connection off without an answer. */
export class HangUp extends Error {}

/** What sees every call. */
export interface RouteHooks {
  /** Before its route: throws {@link HttpProblem} or {@link HangUp} to answer instead of it. */
  readonly before?: (path: string) => Promise<void>;
  /** After its answer; status 0: broken off without one. */
  readonly after?: (path: string, status: number) => void;
}

const BODY_LIMIT = 16 * 1024 * 1024;

/** An HTTP server that serves tables of routes; unknown paths get 404. */
export class RouteServer {
  private readonly server: Server;
  private readonly table: { route: Route; segments: string[] }[];
  private address = "";

  constructor(
    routes: readonly Route[],
    private readonly hooks: RouteHooks = {},
  ) {
    this.table = routes.map((route) => ({ route, segments: route.path.split("/") }));
    this.server = createServer((request, response) => {
      void this.serve(request, response);
    });
    // Agents keep their connections for a whole build; Node's default of 5 s would close them between two calls.
    this.server.keepAliveTimeout = 120_000;
  }

  /** `http://<host>:<port>` once started. */
  get url(): string {
    return this.address;
  }

  /** Listens on a free port of loopback, or on the given port and address. */
  async start(port = 0, host = "127.0.0.1"): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, host, () => {
        this.server.off("error", reject);
        resolve();
      });
    });
    this.address = `http://${host}:${(this.server.address() as AddressInfo).port}`;
  }

  /** Closes the port and every connection. */
  async stop(): Promise<void> {
    if (!this.server.listening) {
      return;
    }
    await new Promise<void>((resolve) => {
      this.server.close(() => {
        resolve();
      });
      this.server.closeAllConnections();
    });
  }

  /** Refuses connections from now on, and breaks off those there are; `resume` opens the same port again. */
  async suspend(): Promise<void> {
    await this.stop();
  }

  /** See {@link suspend}. @throws when somebody has taken the port meanwhile. */
  async resume(): Promise<void> {
    if (!this.server.listening && this.address !== "") {
      const { port, hostname } = new URL(this.address);
      await this.start(Number(port), hostname);
    }
  }

  private async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (message.url ?? "/").split("?")[0] ?? "/";
    let answer: FakeResponse;
    try {
      answer = await this.answer(message);
    } catch (error) {
      if (error instanceof HangUp) {
        this.hooks.after?.(path, 0);
        message.socket.destroy();
        return;
      }
      answer =
        error instanceof HttpProblem
          ? { status: error.status, body: { message: error.message, ...error.details }, headers: error.headers }
          : { status: 500, body: { message: error instanceof Error ? error.message : String(error) } };
    }
    this.hooks.after?.(path, answer.status);
    const text = answer.body === undefined ? "" : JSON.stringify(answer.body);
    response.writeHead(answer.status, {
      ...(text === "" ? {} : { "Content-Type": "application/json" }),
      "Content-Length": Buffer.byteLength(text),
      ...answer.headers,
    });
    response.end(text);
  }

  private async answer(message: IncomingMessage): Promise<FakeResponse> {
    const url = new URL(message.url ?? "/", "http://127.0.0.1");
    const body = await readBody(message);
    const segments = url.pathname.split("/");
    const method = message.method ?? "GET";
    await this.hooks.before?.(url.pathname);
    const allowed: string[] = [];
    for (const row of this.table) {
      const params = match(row.segments, segments);
      if (params === undefined) {
        continue;
      }
      if (row.route.method !== method) {
        allowed.push(row.route.method);
        continue;
      }
      const token = /^Token (.+)$/.exec(message.headers.authorization ?? "")?.[1];
      return await row.route.handle({
        method,
        path: url.pathname,
        params,
        query: url.searchParams,
        headers: message.headers,
        body,
        token,
      });
    }
    if (allowed.length > 0) {
      throw new HttpProblem(405, "Method not allowed", { Allow: allowed.join(", ") });
    }
    throw new HttpProblem(404, "Not found");
  }
}

/** The body as JSON. @throws HttpProblem 400 when it is none or not an object. */
export function jsonObject(request: FakeRequest): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString("utf8"));
  } catch {
    throw new HttpProblem(400, `${request.method} ${request.path}: the body is not JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HttpProblem(400, `${request.method} ${request.path}: the body must be a JSON object`);
  }
  return value as Record<string, unknown>;
}

function match(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) {
    return undefined;
  }
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? "";
    if (part.startsWith(":")) {
      params[part.slice(1)] = decodeURIComponent(segment);
    } else if (part !== segment) {
      return undefined;
    }
  }
  return params;
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of message) {
    const chunk = part as Buffer;
    size += chunk.length;
    if (size > BODY_LIMIT) {
      throw new HttpProblem(413, `the body is larger than ${BODY_LIMIT} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
