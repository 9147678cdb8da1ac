/**
 * A stand-in for Buildkite, on loopback unless another address is given.
 *
 * Models: the agent API of agent v3.130.0 (own token per route, the job's states, the statuses the real agent reacts
 * to), the Stacks API (stacks-api.ts), `job.scheduled`, `job.started` and `job.finished` webhooks in the documented format with real HMAC signatures,
 * sent at most once with a 5 s time-out, lost agents.
 * Does not prove: that Buildkite's own server behaves so. Webhook time-out, retries, newer body fields and the answer
 * to a repeated acquire are undocumented; see the fake's comments. Delivery over the internet, TLS in front of it, the
 * agent API's rate limits and Buildkite's own delays are not modelled; what can be made to go wrong is in faults.ts.
 */
import { EventEmitter } from "node:events";
import { agentApiRoutes, type AgentIntervals } from "./agent-api";
import type { FakeAgent } from "./agent";
import { Board } from "./board";
import { controlRoutes } from "./control-api";
import { faultGate } from "./fault-gate";
import { changeFaults, describeFaults, NO_FAULTS, type Faults } from "./faults";
import { HttpProblem, RouteServer } from "./http-routes";
import { jobApiRoutes } from "./job-api";
import { move, summarize, type BuildRequest, type FakeJob, type JobMoment, type JobSummary } from "./job";
import { SeededRandom } from "./seeded-random";
import { StackCalls } from "./stack-calls";
import { Stacks, type FakeStack } from "./stacks";
import { stacksApiRoutes } from "./stacks-api";
import type { WebhookMarkers } from "./webhook-bodies";
import { Webhooks } from "./webhooks";

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
  /** Keys of the self-hosted queues; default: every key that is named is one. */
  readonly queues?: readonly string[];
  /** Key of the queue that `__default__` and `_default` mean; default `default`. */
  readonly defaultQueue?: string;
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
  /** Calls of the Stacks API, counted. */
  readonly stackCalls = new StackCalls();
  private readonly random: SeededRandom;
  private readonly board: Board;
  private readonly stacks: Stacks;
  private readonly server: RouteServer;
  private readonly webhooks: Webhooks;
  private readonly events = new EventEmitter<{ job: [FakeJob, JobMoment] }>();
  private readonly queueIds = new Map<string, string>();
  private readonly stopping = new AbortController();
  private faults = NO_FAULTS;
  private lossCheck: NodeJS.Timeout | undefined;

  constructor(private readonly options: FakeBuildkiteOptions) {
    this.random = new SeededRandom(options.seed);
    this.clusterId = this.random.uuid();
    this.markers = { buildEnv: `marker-${this.random.hex(32)}`, inboundUrl: `marker-${this.random.hex(32)}` };
    this.board = new Board(options.agentToken, this.random, (job, moment) => {
      this.onMoment(job, moment);
    });
    // Chance of its own, so that the same seed makes the same jobs with faults and without.
    const chance = new SeededRandom(options.seed + 1);
    const faults = (): Faults => this.faults;
    this.stacks = new Stacks(chance);
    this.webhooks = new Webhooks({
      ...{ secret: options.webhookSecret, ca: options.webhookCa, markers: this.markers, faults, random: chance },
      organization: { slug: "acme-inc", clusterId: this.clusterId, queueIds: this.queueIds },
      onScheduledSent: (job) => {
        this.events.emit("job", job, "webhook");
      },
    });
    this.server = new RouteServer(
      [
        ...agentApiRoutes(this.board, options.intervals ?? { ping: 1, jobStatus: 1, heartbeat: 60 }),
        ...jobApiRoutes(this.board),
        ...stacksApiRoutes({
          ...{ board: this.board, stacks: this.stacks, organizationId: chance.uuid(), faults },
          queue: (key) => this.queue(key),
        }),
        ...controlRoutes({
          schedule: (build) => this.schedule(build),
          jobs: () => this.jobs(),
          cancel: (id) => {
            this.cancel(id);
          },
          setFaults: (change) => this.setFaults(change),
          describeFaults: () => this.describeFaults(),
        }),
      ],
      {
        before: faultGate(faults, chance, this.stopping.signal),
        after: (path, status) => {
          this.stackCalls.count(path, status);
        },
      },
    );
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
        this.board.reservations.expire();
      },
      Math.min(5_000, lostAfterMs),
    );
  }

  /** Closes the port, ends deliveries under way and waits for them. */
  async stop(): Promise<void> {
    clearInterval(this.lossCheck);
    this.stopping.abort();
    this.webhooks.sender.stop();
    await this.server.stop();
    await this.settled();
  }

  /** Adds a job and, when it is runnable, sends its webhook. */
  schedule(build: BuildRequest): FakeJob {
    this.queue(build.queue);
    const job = this.board.addJob(build);
    if (job.state === "scheduled") {
      this.webhooks.send("job.scheduled", job);
    }
    return job;
  }

  /** Makes a waiting or limited job runnable and sends its webhook. */
  release(id: string): void {
    const job = this.board.job(id);
    if (job.state === "waiting" || job.state === "limited") {
      job.runnableAt = Date.now();
      move(job, "scheduled");
      this.webhooks.send("job.scheduled", job);
    }
  }

  /** Takes a scheduled job out of the queue, as a concurrency limit does; `release` puts it back. */
  limit(id: string): void {
    const job = this.board.job(id);
    if (job.state === "scheduled") {
      move(job, "limited");
    }
  }

  /** Sends a job's `job.scheduled` once more, whatever its state: repeats are normal at Buildkite. */
  repeatWebhook(id: string): void {
    this.webhooks.send("job.scheduled", this.board.job(id));
  }

  /** Sends a `job.scheduled` with the signature of so long ago, as a recorded one would have it. */
  replayWebhook(id: string, ageSeconds: number): void {
    this.webhooks.replay(this.board.job(id), ageSeconds);
  }

  /** Makes things go wrong, or right again, from now on. @throws RangeError for values that make no sense. */
  async setFaults(change: Partial<Faults>): Promise<void> {
    this.faults = changeFaults(this.faults, change);
    this.board.tokensRevoked = this.faults.tokenRevoked;
    await (this.faults.outage === "refused" ? this.server.suspend() : this.server.resume());
  }

  /** What goes wrong now, one `name: value` each. */
  describeFaults(): string[] {
    return describeFaults(this.faults);
  }

  /** The stacks that are registered. */
  registeredStacks(): FakeStack[] {
    return this.stacks.list();
  }

  /** Forgets all stacks: their next calls are answered 404. */
  forgetStacks(): void {
    this.stacks.forget();
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
    this.webhooks.sender.setTargets(urls);
  }

  /** Signs webhooks with another secret from now on. */
  rotateWebhookSecret(secret: string): void {
    this.webhooks.sender.setSecret(secret);
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
    await this.webhooks.settled();
  }

  private onMoment(job: FakeJob, moment: JobMoment): void {
    this.events.emit("job", job, moment);
    if (moment === "started" || moment === "finished") {
      this.webhooks.send(`job.${moment}`, job);
    }
  }

  private queue(name: string): { id: string; key: string } {
    const { queues, defaultQueue = "default" } = this.options;
    const key = name === "__default__" || name === "_default" ? defaultQueue : name;
    if (queues?.includes(key) === false) {
      throw new HttpProblem(404, "Self-hosted queue not found");
    }
    const id = this.queueIds.get(key) ?? this.random.uuid();
    this.queueIds.set(key, id);
    return { id, key };
  }
}
