/**
 * A stand-in for Buildkite, on loopback unless another address is given.
 *
 * Models: the agent API of agent v3.130.0 (own token per route, the job's states, the statuses the real agent reacts
 * to), `job.scheduled`, `job.started` and `job.finished` webhooks in the documented format with real HMAC signatures,
 * sent at most once with a 5 s time-out, lost agents.
 * Does not prove: that Buildkite's own server behaves so. Webhook time-out, retries, newer body fields and the answer
 * to a repeated acquire are undocumented; see the fake's comments. Delivery over the internet, TLS in front of it, rate
 * limits and Buildkite's own delays are not modelled.
 */
import { EventEmitter } from "node:events";
import { agentApiRoutes, type AgentIntervals } from "./agent-api";
import type { FakeAgent } from "./agent";
import { Board } from "./board";
import { controlRoutes } from "./control-api";
import { RouteServer } from "./http-routes";
import { jobApiRoutes } from "./job-api";
import { summarize, type BuildRequest, type FakeJob, type JobMoment, type JobSummary } from "./job";
import { SeededRandom } from "./seeded-random";
import { webhookBody, type WebhookEvent, type WebhookMarkers } from "./webhook-bodies";
import { WebhookSender } from "./webhook-sender";

/** How to make a {@link FakeBuildkite}. */
export interface FakeBuildkiteOptions {
  /** Accepted by `register` until it is rotated. */
  readonly agentToken: string;
  /** Key of the webhooks' HMAC. */
  readonly webhookSecret: string;
  /** Equal seeds give equal UUIDs. */
  readonly seed: number;
  /** Told to every agent, whole seconds; default 1, 1 and 60. */
  readonly intervals?: AgentIntervals;
  /** An agent not heard of for so long is lost and its job ends with -1; default 180 s, as documented. */
  readonly agentLostAfterSeconds?: number;
  /** PEM of the CA that signs the targets' certificates, for https targets. */
  readonly webhookCa?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Address to listen on; default 127.0.0.1. Pods of a real node need one that they reach. */
  readonly host?: string;
}

/** See the top of this file. */
export class FakeBuildkite {
  /** Secrets that stand in webhook bodies: a leak search looks for them, as nothing may log or store a body. */
  readonly markers: WebhookMarkers;
  /** Id of the one cluster that all queues belong to. */
  readonly clusterId: string;
  private readonly random: SeededRandom;
  private readonly board: Board;
  private readonly server: RouteServer;
  private readonly sender: WebhookSender;
  private readonly events = new EventEmitter<{ job: [FakeJob, JobMoment] }>();
  private readonly queueIds = new Map<string, string>();
  private readonly deliveries = new Set<Promise<void>>();
  private lossCheck: NodeJS.Timeout | undefined;

  constructor(private readonly options: FakeBuildkiteOptions) {
    this.random = new SeededRandom(options.seed);
    this.clusterId = this.random.uuid();
    this.markers = { buildEnv: `marker-${this.random.hex(32)}`, inboundUrl: `marker-${this.random.hex(32)}` };
    this.board = new Board(options.agentToken, this.random, (job, moment) => {
      this.onMoment(job, moment);
    });
    this.sender = new WebhookSender(options.webhookSecret, options.webhookCa);
    // One table per API: the Stacks API becomes another line here.
    this.server = new RouteServer([
      ...agentApiRoutes(this.board, options.intervals ?? { ping: 1, jobStatus: 1, heartbeat: 60 }),
      ...jobApiRoutes(this.board),
      ...controlRoutes({
        schedule: (build) => this.schedule(build),
        jobs: () => this.jobs(),
        cancel: (id) => {
          this.cancel(id);
        },
      }),
    ]);
  }

  /** `http://<host>:<port>`; the agent endpoint is this plus `/v3`. */
  get url(): string {
    return this.server.url;
  }

  async start(): Promise<void> {
    await this.server.start(this.options.port, this.options.host);
    const lostAfterMs = (this.options.agentLostAfterSeconds ?? 180) * 1000;
    this.lossCheck = setInterval(
      () => {
        this.board.loseAgents(lostAfterMs);
      },
      Math.min(5_000, lostAfterMs),
    );
  }

  /** Closes the port, ends deliveries under way and waits for them. */
  async stop(): Promise<void> {
    clearInterval(this.lossCheck);
    this.sender.stop();
    await this.server.stop();
    await this.settled();
  }

  /** Adds a job and, when it is runnable, sends its webhook. */
  schedule(build: BuildRequest): FakeJob {
    this.knowQueue(build.queue);
    const job = this.board.addJob(build);
    if (job.state === "scheduled") {
      this.sendWebhook("job.scheduled", job);
    }
    return job;
  }

  /** Makes a waiting or limited job runnable and sends its webhook. */
  release(id: string): void {
    const job = this.board.job(id);
    if (job.state === "waiting" || job.state === "limited") {
      job.state = "scheduled";
      this.sendWebhook("job.scheduled", job);
    }
  }

  /** Sends a job's `job.scheduled` once more, whatever its state: repeats are normal at Buildkite. */
  repeatWebhook(id: string): void {
    this.sendWebhook("job.scheduled", this.board.job(id));
  }

  /** What a person's Cancel button does. */
  cancel(id: string): void {
    this.board.cancel(this.board.job(id));
  }

  /** Gives a scheduled job to an agent that does not exist: whoever else wants it is refused. */
  take(id: string): void {
    const other = this.board.register("another-agent", [], true);
    other.connected = true;
    this.board.acquire(this.board.job(id), other);
  }

  /** Base URLs of the receivers; webhooks go to each in turn. */
  setWebhookTargets(urls: readonly string[]): void {
    this.sender.setTargets(urls);
  }

  /** Signs webhooks with another secret from now on. */
  rotateWebhookSecret(secret: string): void {
    this.sender.setSecret(secret);
  }

  /** From now on this token registers agents, too: during a rotation there are two. */
  acceptAgentToken(token: string): void {
    this.board.agentTokens.add(token);
  }

  /** From now on only this token registers agents; those registered already go on, as at Buildkite. */
  rotateAgentToken(token: string): void {
    this.board.agentTokens.clear();
    this.board.agentTokens.add(token);
  }

  /** All jobs, oldest first. */
  jobs(): FakeJob[] {
    return [...this.board.jobs.values()];
  }

  /** All agents that ever registered, oldest first. */
  agents(): FakeAgent[] {
    return [...this.board.agents.values()];
  }

  /** Jobs by outcome. */
  summary(): JobSummary {
    return summarize(this.board.jobs.values());
  }

  /** What clients did against the API's rules; empty after a good run. */
  violations(): readonly string[] {
    return this.board.violations;
  }

  /** Hears every moment of every job; returns how to stop hearing. */
  on(event: "job", listener: (job: FakeJob, moment: JobMoment) => void): () => void {
    this.events.on(event, listener);
    return () => {
      this.events.off(event, listener);
    };
  }

  /** Resolves when no webhook is under way. */
  async settled(): Promise<void> {
    while (this.deliveries.size > 0) {
      await Promise.all(this.deliveries);
    }
  }

  private onMoment(job: FakeJob, moment: JobMoment): void {
    this.events.emit("job", job, moment);
    if (moment === "started" || moment === "finished") {
      this.sendWebhook(`job.${moment}`, job);
    }
  }

  private sendWebhook(event: WebhookEvent, job: FakeJob): void {
    const organization = { slug: "acme-inc", clusterId: this.clusterId, queueIds: this.queueIds };
    const body = webhookBody(event, job, organization, this.markers);
    const sending = this.sender.send(event, body).then((delivery) => {
      (event === "job.scheduled" ? job.webhooks : job.laterWebhooks).push(delivery);
      if (event === "job.scheduled") {
        this.events.emit("job", job, "webhook");
      }
    });
    const tracked = sending.finally(() => this.deliveries.delete(tracked));
    this.deliveries.add(tracked);
  }

  private knowQueue(key: string): void {
    if (!this.queueIds.has(key)) {
      this.queueIds.set(key, this.random.uuid());
    }
  }
}
