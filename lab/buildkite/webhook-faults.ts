import { setTimeout as sleep } from "node:timers/promises";
import type { Faults } from "./faults";
import type { WebhookDelivery } from "./job";
import type { SeededRandom } from "./seeded-random";
import type { WebhookSender } from "./webhook-sender";

/** A group that is too small goes out after so long all the same. */
const SHUFFLE_MS = 1_000;

/** Sends webhooks and does to them what the faults ask for: what is left out, when it goes, in which order, how damaged. */
export class FaultyWebhooks {
  private readonly group: (() => void)[] = [];
  private groupTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sender: WebhookSender,
    private readonly faults: () => Faults,
    private readonly random: SeededRandom,
  ) {}

  /** One promise per copy; each resolves with what became of it and never rejects. */
  send(event: string, body: Buffer): Promise<WebhookDelivery>[] {
    const { webhookDropShare, webhookCopies } = this.faults();
    if (webhookDropShare > 0 && this.random.next() < webhookDropShare) {
      return [Promise.resolve({ event, sentAt: Date.now(), error: "lost on purpose" })];
    }
    return Array.from({ length: webhookCopies }, () => this.sendOne(event, body));
  }

  private async sendOne(event: string, body: Buffer): Promise<WebhookDelivery> {
    const { webhookDelayMs, webhookShuffle, webhookCorruptShare } = this.faults();
    const isDamaged = webhookCorruptShare > 0 && this.random.next() < webhookCorruptShare;
    const damaged = isDamaged ? { damaged: this.damage(body) } : {};
    if (webhookDelayMs > 0) {
      // On an abort the sender itself says what became of it.
      await sleep(webhookDelayMs, undefined, { signal: this.sender.stopped }).catch(() => undefined);
    }
    if (webhookShuffle > 1) {
      await this.shuffled(webhookShuffle);
    }
    return await this.sender.send(event, body, { skewSeconds: this.faults().webhookClockSkewSeconds, ...damaged });
  }

  /** Waits for a full group; its members go on in an order of chance. */
  private async shuffled(size: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.group.push(resolve);
      if (this.group.length >= size || this.sender.stopped.aborted) {
        this.release();
      } else {
        this.groupTimer ??= setTimeout(() => {
          this.release();
        }, SHUFFLE_MS);
      }
    });
  }

  private release(): void {
    clearTimeout(this.groupTimer);
    this.groupTimer = undefined;
    const group = this.group.splice(0);
    while (group.length > 0) {
      group.splice(this.random.integer(0, group.length - 1), 1)[0]?.();
    }
  }

  /** One byte is another, or the end is missing. */
  private damage(body: Buffer): Buffer {
    const at = this.random.integer(0, body.length - 1);
    if (this.random.next() < 0.5) {
      return body.subarray(0, at);
    }
    const copy = Buffer.from(body);
    copy[at] = (copy[at] ?? 0) ^ this.random.integer(1, 255);
    return copy;
  }
}
