/**
 * Stands between a dispatcher and the real API server and misbehaves as told: answers in its place, holds a request,
 * cuts the connection before or after the API server has done it, closes its port, delays or expires watches.
 *
 * It models what a network or an overloaded API server does to single requests and watches of this one client. It does
 * not prove anything about HTTP/2, about an API server that loses what it has acknowledged, or about one that is away
 * from everybody else as well: controllers and agents still reach it.
 */
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import type { AdministratorAccess } from "../control-plane";
import { WatchStream } from "./watch-stream";

/** What is to happen to a request. */
export type Fault =
  | "pass"
  /** The API server never hears of it. */
  | "cut-before"
  /** The API server does it; the answer is lost. */
  | "cut-after"
  /** The API server does it; half of the answer comes. */
  | "cut-within"
  | {
      status: number;
      headers?: Record<string, string>;
      body?: unknown;
      /** The API server does it all the same, and its own answer is lost; default: it never hears of it. */
      isDone?: boolean;
    };

export interface ProxiedRequest {
  method: string;
  /** With its query. */
  path: string;
}

export interface FaultProxyOptions {
  /** Speaks HTTPS, with the API server's own certificate; default: plain HTTP. */
  tls?: boolean;
}

export class FaultProxy {
  /** Asked for each request; may take its time. */
  onRequest: (request: ProxiedRequest) => Fault | Promise<Fault> = () => "pass";
  /** By how many milliseconds the events of the watch of that path are late; asked for each event. */
  watchDelayMs: (path: string) => number = () => 0;
  /** Every request so far. */
  readonly seen: ProxiedRequest[] = [];
  /** The decoded bodies of those that had one. */
  readonly bodies: { method: string; body: unknown }[] = [];
  readonly #access: AdministratorAccess;
  readonly #agent: https.Agent;
  readonly #server: http.Server | https.Server;
  readonly #scheme: "http" | "https";
  readonly #watches = new Set<WatchStream>();
  #port = 0;

  private constructor(access: AdministratorAccess, { tls = false }: FaultProxyOptions) {
    this.#access = access;
    this.#agent = new https.Agent({ ca: access.caPem, keepAlive: true });
    this.#scheme = tls ? "https" : "http";
    const serve = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      this.#handle(request, response).catch(() => request.socket.destroy());
    };
    // kwokctl serves the API with the administrator's certificate, which names 127.0.0.1.
    const { clientCertPem: cert, clientKeyPem: key } = access;
    this.#server = tls ? https.createServer({ cert, key }, serve) : http.createServer(serve);
  }

  static async start(access: AdministratorAccess, options: FaultProxyOptions = {}): Promise<FaultProxy> {
    const proxy = new FaultProxy(access, options);
    await proxy.resume();
    proxy.#port = (proxy.#server.address() as AddressInfo).port;
    return proxy;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}`;
  }

  /** How many requests of this kind there were. */
  count(method: string, path: RegExp): number {
    return this.seen.filter((request) => request.method === method && path.test(request.path)).length;
  }

  /** Refuses connections from now on, and breaks off those there are. */
  async suspend(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Opens the same port again. @throws when somebody has taken it meanwhile. */
  async resume(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, "127.0.0.1", () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  /** Tells every watch that it has expired (410), and ends it. */
  expireWatches(): void {
    for (const watch of this.#watches) {
      watch.expire();
    }
  }

  async stop(): Promise<void> {
    await this.suspend();
    this.#agent.destroy();
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
    }
    const told = { method: request.method ?? "", path: request.url ?? "" };
    this.seen.push(told);
    if (chunks.length > 0) {
      this.bodies.push({ method: told.method, body: JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown });
    }
    const fault = await this.onRequest(told);
    if (fault === "cut-before") {
      request.socket.destroy();
    } else if (typeof fault === "object" && fault.isDone !== true) {
      answer(response, fault);
    } else {
      this.#forward(request, Buffer.concat(chunks), response, fault);
    }
  }

  #forward(request: http.IncomingMessage, body: Buffer, response: http.ServerResponse, fault: Fault): void {
    const headers: http.OutgoingHttpHeaders = { ...request.headers, host: new URL(this.#access.server).host };
    const target = { agent: this.#agent, method: request.method, headers };
    const upstream = https.request(new URL(request.url ?? "/", this.#access.server), target, (answered) => {
      // A watch that was told to have expired has its whole answer.
      answered.once("error", () => response.writableEnded || request.socket.destroy());
      if (fault === "pass") {
        this.#pass(request, answered, response);
        return;
      }
      const parts: Buffer[] = [];
      answered.on("data", (part: Buffer) => parts.push(part));
      answered.once("end", () => {
        if (typeof fault === "object") {
          answer(response, fault);
        } else if (fault === "cut-within") {
          const whole = Buffer.concat(parts);
          response.writeHead(answered.statusCode ?? 502, answered.headers);
          response.write(whole.subarray(0, whole.length / 2), () => request.socket.destroy());
        } else {
          request.socket.destroy();
        }
      });
    });
    upstream.once("error", () => request.socket.destroy());
    response.once("close", () => upstream.destroy());
    upstream.end(body.length === 0 ? undefined : body);
  }

  #pass(request: http.IncomingMessage, answered: http.IncomingMessage, response: http.ServerResponse): void {
    const path = request.url ?? "";
    if (!/[?&]watch=true/.test(path) || answered.statusCode !== 200) {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response);
      return;
    }
    const watch = new WatchStream(path, answered, response, () => this.watchDelayMs(path));
    this.#watches.add(watch);
    response.once("close", () => this.#watches.delete(watch));
    watch.run().catch(() => response.writableEnded || request.socket.destroy());
  }
}

function answer(response: http.ServerResponse, fault: Exclude<Fault, string>): void {
  const headers = { "content-type": "application/json", ...fault.headers };
  response.writeHead(fault.status, headers).end(JSON.stringify(fault.body ?? {}));
}
