/**
 * Stands between a dispatcher and the real API server and misbehaves as told: answers in its place, holds a request,
 * cuts the connection before or after the API server has done it.
 *
 * It models what a network or an overloaded API server does to single requests. It does not prove anything about TLS
 * (it speaks plain HTTP to the dispatcher), HTTP/2, or an API server that loses what it has acknowledged.
 */
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import type { AdministratorAccess } from "../../lab/control-plane/administrator";

/** What is to happen to a request. */
export type Fault =
  | "pass"
  /** The API server never hears of it. */
  | "cut-before"
  /** The API server does it; the answer is lost. */
  | "cut-after"
  | { status: number; headers?: Record<string, string>; body?: unknown };

export interface ProxiedRequest {
  method: string;
  path: string;
}

export class FaultProxy {
  /** Asked for each request; may take its time. */
  onRequest: (request: ProxiedRequest) => Fault | Promise<Fault> = () => "pass";
  /** Every request so far. */
  readonly seen: ProxiedRequest[] = [];
  /** The decoded bodies of those that had one. */
  readonly bodies: { method: string; body: unknown }[] = [];
  readonly #access: AdministratorAccess;
  readonly #agent: https.Agent;
  readonly #server: http.Server;

  private constructor(access: AdministratorAccess) {
    this.#access = access;
    this.#agent = new https.Agent({ ca: access.caPem, keepAlive: true });
    this.#server = http.createServer((request, response) => {
      this.#handle(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(access: AdministratorAccess): Promise<FaultProxy> {
    const proxy = new FaultProxy(access);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many requests of this kind there were. */
  count(method: string, path: RegExp): number {
    return this.seen.filter((request) => request.method === method && path.test(request.path)).length;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
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
    } else if (typeof fault === "object") {
      const headers = { "content-type": "application/json", ...fault.headers };
      response.writeHead(fault.status, headers).end(JSON.stringify(fault.body ?? {}));
    } else {
      this.#forward(request, Buffer.concat(chunks), response, fault);
    }
  }

  #forward(request: http.IncomingMessage, body: Buffer, response: http.ServerResponse, fault: Fault): void {
    const headers: http.OutgoingHttpHeaders = { ...request.headers, host: new URL(this.#access.server).host };
    const target = { agent: this.#agent, method: request.method, headers };
    const upstream = https.request(new URL(request.url ?? "/", this.#access.server), target, (answer) => {
      if (fault === "cut-after") {
        answer.resume();
        answer.once("end", () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.once("error", () => request.socket.destroy());
    });
    upstream.once("error", () => request.socket.destroy());
    response.once("close", () => upstream.destroy());
    upstream.end(body.length === 0 ? undefined : body);
  }
}
