import { createHmac, randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { WebhookDelivery } from "./job";

/** A service log once showed this read time-out; none is documented. */
const READ_TIMEOUT_MS = 5_000;
/** Deliveries under way at once; more wait in line. */
const CONCURRENCY = 64;
/** A longer answer is not looked at. */
const MOST_ANSWER_BYTES = 4_096;

/** The header's value for a body sent at `unixSeconds`. */
export function signature(secret: string, unixSeconds: number, body: Buffer): string {
  const hmac = createHmac("sha256", secret).update(`${unixSeconds}.`).update(body).digest("hex");
  return `timestamp=${unixSeconds},signature=${hmac}`;
}

/** What is done to a webhook that is not sound. */
export interface WebhookHarm {
  /** Added to the time it is signed for. */
  readonly skewSeconds?: number;
  /** Sent instead of the body that was signed. */
  readonly damaged?: Buffer;
}

type Answer = Required<Pick<WebhookDelivery, "status">> & Pick<WebhookDelivery, "outcome">;

/**
 * Sends webhooks: signed at the moment of dispatch, at most once, never repeated. Several targets take turns, as behind
 * a Service; one that refuses the connection is passed over, because its endpoint would be gone. Each delivery has a
 * connection of its own, so that a kept-alive one that just closed cannot lose a webhook for a reason that is not the
 * receiver's.
 */
export class WebhookSender {
  private targets: readonly string[] = [];
  private turn = 0;
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly abort = new AbortController();

  constructor(
    private secret: string,
    private readonly ca: string | undefined,
  ) {
    // One for each delivery under way.
    setMaxListeners(0, this.abort.signal);
  }

  /** Base URLs, without the path. */
  setTargets(urls: readonly string[]): void {
    this.targets = [...urls];
  }

  /** From now on webhooks are signed with this one. */
  setSecret(secret: string): void {
    this.secret = secret;
  }

  /** Aborted by `stop`. */
  get stopped(): AbortSignal {
    return this.abort.signal;
  }

  /** Ends deliveries under way. */
  stop(): void {
    this.abort.abort();
  }

  /** Sends one; resolves with what became of it and never rejects. */
  async send(event: string, body: Buffer, harm: WebhookHarm = {}): Promise<WebhookDelivery> {
    if (this.underWay >= CONCURRENCY) {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
    this.underWay += 1;
    try {
      return await this.deliver(event, body, harm);
    } finally {
      this.underWay -= 1;
      this.waiting.shift()?.();
    }
  }

  private async deliver(event: string, body: Buffer, harm: WebhookHarm): Promise<WebhookDelivery> {
    const targets = this.targets;
    const sentAt = Date.now();
    const first = this.turn;
    this.turn += 1;
    for (let attempt = 0; attempt < targets.length; attempt += 1) {
      const target = targets[(first + attempt) % targets.length] ?? "";
      try {
        const answer = await this.post(target, event, body, harm);
        return { event, target, sentAt, answeredAt: Date.now(), ...answer };
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== "ECONNREFUSED") {
          return { event, target, sentAt, error: error instanceof Error ? error.message : String(error) };
        }
      }
    }
    return { event, sentAt, error: "no live target" };
  }

  private async post(target: string, event: string, body: Buffer, harm: WebhookHarm): Promise<Answer> {
    const sent = harm.damaged ?? body;
    const url = new URL("/webhook", target);
    const request = url.protocol === "https:" ? httpsRequest : httpRequest;
    return await new Promise<Answer>((resolve, reject) => {
      const message = request(
        url,
        {
          method: "POST",
          agent: false,
          signal: this.abort.signal,
          timeout: READ_TIMEOUT_MS,
          ...(this.ca === undefined ? {} : { ca: this.ca }),
          headers: {
            "Content-Type": "application/json",
            "Content-Length": sent.length,
            "User-Agent": "Buildkite-Request",
            "X-Buildkite-Event": event,
            "X-Buildkite-Request": randomUUID(),
            "X-Buildkite-Signature": signature(
              this.secret,
              Math.floor(Date.now() / 1000) + (harm.skewSeconds ?? 0),
              body,
            ),
          },
        },
        (response) => {
          const parts: Buffer[] = [];
          let bytes = 0;
          response.on("data", (part: Buffer) => {
            bytes += part.length;
            if (bytes <= MOST_ANSWER_BYTES) {
              parts.push(part);
            }
          });
          response.on("end", () => {
            const outcome = bytes > MOST_ANSWER_BYTES ? undefined : outcomeOf(Buffer.concat(parts).toString("utf8"));
            resolve({ status: response.statusCode ?? 0, outcome });
          });
          response.on("error", reject);
        },
      );
      message.on("timeout", () => {
        message.destroy(new Error(`no answer within ${READ_TIMEOUT_MS / 1000} s`));
      });
      message.on("error", reject);
      message.end(sent);
    });
  }
}

function outcomeOf(text: string): string | undefined {
  try {
    const { outcome } = Object(JSON.parse(text)) as { readonly outcome?: unknown };
    return typeof outcome === "string" ? outcome : undefined;
  } catch {
    return undefined;
  }
}
