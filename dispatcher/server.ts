import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

export interface ServerOptions {
  /** 0 for any. */
  port: number;
  /** Default: all of the machine's. */
  address?: string;
  /** Speaks HTTPS with these; asked again by {@link Listener.renew}. */
  tls?: () => { cert: string; key: string };
  handle: (request: http.IncomingMessage, response: http.ServerResponse) => Promise<void>;
  /** Hears of what `handle` failed with: a fault of ours. The connection is cut. */
  onError: (error: unknown) => void;
}

/** A listening HTTP or HTTPS server with bounds on slow clients. */
export class Listener {
  readonly server: http.Server;
  readonly #options: ServerOptions;

  constructor(options: ServerOptions) {
    this.#options = options;
    const bounds: http.ServerOptions = {
      headersTimeout: 5000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16 * 1024,
      // Longer than a load balancer keeps its connections (Google's: 600 s): who closes first must not be us.
      keepAliveTimeout: 620_000,
    };
    const listener: http.RequestListener = (request, response) => {
      if (!this.server.listening) {
        // We are on our way out: this connection has had its last request.
        response.setHeader("connection", "close");
      }
      options.handle(request, response).catch((error: unknown) => {
        response.destroy();
        options.onError(error);
      });
    };
    this.server =
      options.tls === undefined
        ? http.createServer(bounds, listener)
        : https.createServer({ ...bounds, ...options.tls(), minVersion: "TLSv1.2", handshakeTimeout: 5000 }, listener);
  }

  /** Listens; returns the port. @throws when the port is taken. */
  async listen(): Promise<number> {
    const { server } = this;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // A burst of new connections is queued, not refused (the kernel has its own bound).
      server.listen({ port: this.#options.port, host: this.#options.address, backlog: 4096 }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    return (server.address() as AddressInfo).port;
  }

  /** Takes the certificate and key anew, for connections to come. */
  renew(): void {
    if (this.server instanceof https.Server && this.#options.tls !== undefined) {
      this.server.setSecureContext(this.#options.tls());
    }
  }

  /** Takes no more connections, ends the idle ones and waits for those with a request in hand. */
  async close(milliseconds: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
    const timer = setTimeout(() => {
      this.server.closeAllConnections();
    }, milliseconds);
    await closed;
    clearTimeout(timer);
  }
}
