import type { Server } from "node:http";
import type { Socket } from "node:net";

/**
 * Bounds the connections of a server. One too many takes the place of the one that has been open for the longest without
 * having a genuine request in hand: so a flood of connections that say nothing does not shut the real ones out.
 */
export class Connections {
  readonly #open = new Set<Socket>();
  readonly #genuine = new WeakSet<Socket>();
  readonly #most: number;

  /** @param event `secureConnection` for a server that speaks TLS. */
  constructor(server: Server, most: number, event: "connection" | "secureConnection") {
    this.#most = most;
    // Connections within their TLS handshake are not among ours yet.
    server.maxConnections = most * 2;
    server.on(event, (socket: Socket) => {
      this.#add(socket);
    });
  }

  get count(): number {
    return this.#open.size;
  }

  /** Its request is genuine: the connection stays until the answer is sent. */
  hold(socket: Socket): void {
    this.#genuine.add(socket);
  }

  release(socket: Socket): void {
    this.#genuine.delete(socket);
  }

  #add(socket: Socket): void {
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    if (this.#open.size > this.#most) {
      for (const candidate of this.#open) {
        if (!this.#genuine.has(candidate)) {
          candidate.destroy();
          this.#open.delete(candidate);
          return;
        }
      }
    }
  }
}
