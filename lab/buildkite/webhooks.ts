import type { Faults } from "./faults";
import type { FakeJob, WebhookDelivery } from "./job";
import type { SeededRandom } from "./seeded-random";
import { webhookBody, type FakeOrganization, type WebhookEvent, type WebhookMarkers } from "./webhook-bodies";
import { FaultyWebhooks } from "./webhook-faults";
import { WebhookSender } from "./webhook-sender";

/** What webhooks are made with. */
export interface WebhooksContext {
  readonly secret: string;
  /** PEM of the CA that signs the targets' certificates, for https targets. */
  readonly ca: string | undefined;
  readonly organization: FakeOrganization;
  readonly markers: WebhookMarkers;
  faults(): Faults;
  readonly random: SeededRandom;
  /** Hears of each `job.scheduled` once its outcome is on record. */
  onScheduledSent(job: FakeJob): void;
}

/** The fake's webhooks: made of a job as it is at that moment, sent, and what became of them written into the job. */
export class Webhooks {
  readonly sender: WebhookSender;
  private readonly faulty: FaultyWebhooks;
  private readonly underWay = new Set<Promise<void>>();

  constructor(private readonly context: WebhooksContext) {
    this.sender = new WebhookSender(context.secret, context.ca);
    this.faulty = new FaultyWebhooks(this.sender, () => context.faults(), context.random);
  }

  /** Sends one, faults and all. */
  send(event: WebhookEvent, job: FakeJob): void {
    for (const delivery of this.faulty.send(event, this.body(event, job))) {
      this.record(event, job, delivery);
    }
  }

  /** Sends a `job.scheduled` as somebody would who had recorded it so long ago: body and signature are of that time. */
  replay(job: FakeJob, ageSeconds: number): void {
    const event = "job.scheduled";
    this.record(event, job, this.sender.send(event, this.body(event, job), { skewSeconds: -ageSeconds }));
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) {
      await Promise.all(this.underWay);
    }
  }

  private body(event: WebhookEvent, job: FakeJob): Buffer {
    const { organization, markers } = this.context;
    return Buffer.from(JSON.stringify(webhookBody(event, job, organization, markers)));
  }

  private record(event: WebhookEvent, job: FakeJob, sending: Promise<WebhookDelivery>): void {
    const tracked = sending
      .then((delivery) => {
        (event === "job.scheduled" ? job.webhooks : job.laterWebhooks).push(delivery);
        if (event === "job.scheduled") {
          this.context.onScheduledSent(job);
        }
      })
      .finally(() => this.underWay.delete(tracked));
    this.underWay.add(tracked);
  }
}
