import type { IncomingMessage, ServerResponse } from "node:http";
import { readLines } from "../../dispatcher/kubernetes/lines";

/** What the API server says when a watch's place in history is no longer known. */
const EXPIRED = {
  type: "ERROR",
  object: {
    ...{ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", reason: "Expired", code: 410 },
    message: "too old resource version",
  },
};

/** One watch on its way to the client: its events pass whole, in order, each after a delay. */
export class WatchStream {
  private readonly timers = new Set<NodeJS.Timeout>();
  private lastDue = 0;

  /**
   * @param path with its query.
   * @param delayMs asked for each event as it comes.
   */
  constructor(
    readonly path: string,
    private readonly upstream: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly delayMs: () => number,
  ) {
    response.once("close", () => {
      this.timers.forEach(clearTimeout);
    });
  }

  /** Passes events on until either side ends. @throws when the server's side breaks. */
  async run(): Promise<void> {
    this.response.writeHead(this.upstream.statusCode ?? 502, this.upstream.headers);
    this.response.flushHeaders();
    for await (const line of readLines(this.upstream)) {
      if (this.response.writableEnded) {
        return;
      }
      this.later(() => this.response.write(`${line}\n`));
    }
    this.later(() => this.response.end());
  }

  /** Says that the watch has expired, and ends it; what was delayed is never told. */
  expire(): void {
    this.timers.forEach(clearTimeout);
    this.timers.clear();
    this.response.end(`${JSON.stringify(EXPIRED)}\n`, () => this.upstream.destroy());
  }

  private later(pass: () => void): void {
    const now = Date.now();
    this.lastDue = Math.max(this.lastDue, now + this.delayMs());
    if (this.lastDue <= now) {
      pass();
      return;
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      pass();
    }, this.lastDue - now);
    this.timers.add(timer);
  }
}
