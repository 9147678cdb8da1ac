/**
 * Clients that take a webhook port for themselves: they connect, say nothing or something very slowly, and come back as
 * soon as they are dropped.
 *
 * Does not prove: anything about clients outside of this machine, TLS handshakes that hang, or a load balancer in
 * between, which would keep most of them away.
 */
import { connect, type Socket } from "node:net";
import { SeededRandom } from "../buildkite";

/** How a client behaves; each of them takes its turn. */
const WAYS = [
  ...(["silent", "slow headers", "headers without end"] as const),
  // Twice, because these are what takes memory.
  ...(["large body without end", "slow body", "large body without end"] as const),
];
const LARGE = "large body without end";
export type SlowWay = (typeof WAYS)[number];

const STEP_MS = 400;
/** From a connection's end to the next, so that they do not all come at once. */
const LEAST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 1_500;
/** Those with a large body take longer: the row is about slow clients, not about how much this machine can carry. */
const LARGE_PAUSE_MS = 8_000;
const ANNOUNCED_BYTES = 1_000_000;
/** Sent at once by those with a large body; the rest of it never comes. */
const LARGE_BYTES = 900_000;

/** See the top of this file. */
export class SlowClients {
  /** How long the longest connection was let be, milliseconds, by the way it behaved; ended ones only. */
  readonly longestMs = new Map<SlowWay, number>();
  /** Connections that were ended by the other side. */
  dropped = 0;
  private readonly random: SeededRandom;
  private readonly sockets = new Map<Socket, { way: SlowWay; since: number }>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private isOn = true;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  /** Sends so many to each of the base URLs; they come within a second or two, and come again until {@link stop}. */
  start(urls: readonly string[], each: number): void {
    for (const url of urls) {
      for (let index = 0; index < each; index += 1) {
        this.later(() => {
          this.attack(url, WAYS[index % WAYS.length] ?? "silent");
        });
      }
    }
  }

  /** The longest that a connection has been open, those that still are among them, milliseconds. */
  oldestMs(): number {
    const now = Date.now();
    const open = [...this.sockets.values()].map(({ since }) => now - since);
    return Math.max(0, ...open, ...this.longestMs.values());
  }

  /** Closes all. */
  stop(): void {
    this.isOn = false;
    this.timers.forEach(clearTimeout);
    for (const socket of this.sockets.keys()) {
      socket.destroy();
    }
  }

  private attack(url: string, way: SlowWay): void {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    const text = requestOf(way);
    let at = 0;
    const dribble = (): void => {
      if (at < text.length) {
        socket.write(text.slice(at, at + 1));
        at += 1;
        this.later(dribble, STEP_MS);
      }
    };
    socket.on("error", () => undefined);
    socket.once("connect", () => {
      this.sockets.set(socket, { way, since: Date.now() });
      if (way === "slow headers") {
        dribble();
        return;
      }
      socket.write(text);
      if (way === LARGE) {
        socket.write(Buffer.alloc(LARGE_BYTES, "x"));
      } else if (way === "slow body") {
        at = 0;
        dribble();
      }
    });
    // What it is told does not interest it, but unread it would never see the end.
    socket.resume();
    socket.once("close", () => {
      const known = this.sockets.get(socket);
      this.sockets.delete(socket);
      at = text.length;
      if (!this.isOn) {
        return;
      }
      if (known !== undefined) {
        this.dropped += 1;
        this.longestMs.set(way, Math.max(this.longestMs.get(way) ?? 0, Date.now() - known.since));
      }
      const pause = this.random.integer(LEAST_PAUSE_MS, way === LARGE ? LARGE_PAUSE_MS : MOST_PAUSE_MS);
      this.later(() => {
        this.attack(url, way);
      }, pause);
    });
  }

  private later(step: () => void, milliseconds = this.random.integer(LEAST_PAUSE_MS, MOST_PAUSE_MS)): void {
    if (!this.isOn) {
      return;
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      step();
    }, milliseconds);
    this.timers.add(timer);
  }
}

/** With a signature that only a look at the whole body finds to be wrong. */
function requestOf(way: SlowWay): string {
  if (way === "silent") {
    return "";
  }
  const timestamp = Math.floor(Date.now() / 1000);
  const head = [
    "POST /webhook HTTP/1.1",
    "Host: dispatcher",
    "Content-Type: application/json",
    "X-Buildkite-Event: job.scheduled",
    `X-Buildkite-Signature: timestamp=${timestamp},signature=${"a".repeat(64)}`,
    `Content-Length: ${ANNOUNCED_BYTES}`,
  ].join("\r\n");
  return way === "slow headers" || way === "headers without end" ? head : `${head}\r\n\r\n`;
}
