import { randomBytes } from "node:crypto";
import { meets, type FakeAgent } from "./agent";
import { HttpProblem } from "./http-routes";
import { move, type BuildRequest, type FakeJob, type JobMoment, type JobResult } from "./job";
import { newJob } from "./new-job";
import { Reservations } from "./reservations";
import type { SeededRandom } from "./seeded-random";

/**
 * Buildkite's own record: jobs, agents and the only transitions that exist. The routes call these methods and nothing
 * else changes a job's state. A transition from the wrong state throws {@link HttpProblem} with the status that the
 * agent API answers.
 */
export class Board {
  readonly jobs = new Map<string, FakeJob>();
  /** By access token. */
  readonly agents = new Map<string, FakeAgent>();
  /** Agent tokens that may register and call the Stacks API. */
  readonly agentTokens: Set<string>;
  /** What clients did against the API's rules: an empty list at the end of a run is part of its result. */
  readonly violations: string[] = [];
  readonly reservations = new Reservations();
  /** No agent token is good any more. */
  tokensRevoked = false;
  /** Meta-data of builds, by build id. */
  readonly metaData = new Map<string, Map<string, string>>();
  private readonly agentsById = new Map<string, FakeAgent>();
  private builds = 0;

  constructor(
    agentToken: string,
    private readonly random: SeededRandom,
    private readonly tell: (job: FakeJob, moment: JobMoment) => void,
  ) {
    this.agentTokens = new Set([agentToken]);
  }

  /** Adds a job in a build of its own. */
  addJob(build: BuildRequest): FakeJob {
    this.builds += 1;
    const job = newJob(build, this.builds, this.random);
    this.jobs.set(job.id, job);
    this.tell(job, "scheduled");
    return job;
  }

  /** Whether it registers agents and calls the Stacks API. */
  isAgentToken(token: string): boolean {
    return this.agentTokens.has(token) && !this.tokensRevoked;
  }

  /** The job of that id. @throws HttpProblem 404. */
  job(id: string): FakeJob {
    const job = this.jobs.get(id);
    if (job === undefined) {
      throw new HttpProblem(404, "Job not found");
    }
    return job;
  }

  /** The job of that id, called with its own token. @throws HttpProblem 404, 401. */
  jobCalledWith(id: string, token: string | undefined): FakeJob {
    const job = this.job(id);
    if (token !== job.token) {
      throw new HttpProblem(401, "This route wants the job's own token");
    }
    const agent = this.agentOf(job);
    if (agent !== undefined) {
      agent.lastSeen = Date.now();
    }
    return job;
  }

  /** The agent of that access token. @throws HttpProblem 401. */
  agentCalledWith(token: string | undefined): FakeAgent {
    const agent = token === undefined ? undefined : this.agents.get(token);
    if (agent === undefined) {
      throw new HttpProblem(401, "This route wants the access token of a registered agent");
    }
    agent.lastSeen = Date.now();
    return agent;
  }

  /** Registers an agent that came with this token, an agent token or a job acquisition token that was checked before. */
  register(name: string, tags: readonly string[], ignoresDispatch: boolean, token?: string): FakeAgent {
    const now = Date.now();
    const agent: FakeAgent = {
      id: this.random.uuid(),
      name,
      accessToken: `bkat_${randomBytes(16).toString("hex")}`,
      tags,
      ignoresDispatch,
      registeredAt: now,
      connected: false,
      lastSeen: now,
      ...(token === undefined ? {} : { registeredWith: token }),
    };
    this.agents.set(agent.accessToken, agent);
    this.agentsById.set(agent.id, agent);
    return agent;
  }

  /** The job a ping hands to this agent: the one it was given already, else the oldest whose rules its tags meet. */
  assign(agent: FakeAgent): FakeJob | undefined {
    if (agent.jobId !== undefined) {
      const held = this.jobs.get(agent.jobId);
      return held?.state === "assigned" ? held : undefined;
    }
    if (agent.ignoresDispatch || !agent.connected) {
      return undefined;
    }
    for (const job of this.jobs.values()) {
      if (job.state === "scheduled" && meets(agent.tags, job.agentQueryRules)) {
        move(job, "assigned");
        job.agentId = agent.id;
        agent.jobId = job.id;
        return job;
      }
    }
    return undefined;
  }

  /**
   * scheduled or reserved -> accepted, by id, where the reservations allow it. A repeat by the same agent before the
   * start gets the same job again.
   */
  acquire(job: FakeJob, agent: FakeAgent): FakeJob {
    this.reservations.expire();
    if (job.state === "waiting" || job.state === "limited") {
      throw new HttpProblem(423, `The job is ${job.state}`, { "Retry-After": "1" });
    }
    if (job.state === "accepted" && job.agentId === agent.id) {
      return job;
    }
    if (!this.reservations.allow(job, agent.registeredWith) || !agent.connected) {
      job.refusals += 1;
      this.tell(job, "refused");
      throw new HttpProblem(422, agent.connected ? `The job is ${job.state}` : "The agent has not connected");
    }
    return this.give(job, agent);
  }

  /** assigned -> accepted, for the agent that the job was assigned to. */
  accept(job: FakeJob, agent: FakeAgent): FakeJob {
    if (job.agentId !== agent.id || (job.state !== "assigned" && job.state !== "accepted")) {
      throw new HttpProblem(422, `The job is ${job.state} and not assigned to this agent`);
    }
    return job.state === "accepted" ? job : this.give(job, agent);
  }

  /** accepted -> running. */
  start(job: FakeJob): void {
    // Counted even when refused: whoever asks to start a started job is running the build a second time.
    job.starts += job.state === "canceled" || job.state === "canceling" ? 0 : 1;
    if (job.state !== "accepted") {
      throw new HttpProblem(422, `The job is ${job.state}`);
    }
    move(job, "running");
    job.startedAt = Date.now();
    this.tell(job, "started");
  }

  /** Any state in which a job is not over -> finished, by a stack. */
  finishByStack(job: FakeJob, exitStatus: number, detail: string): void {
    job.stackFinish = { at: Date.now(), detail };
    move(job, "finished");
    this.end(job, { exitStatus: String(exitStatus), signalReason: "stack_error" });
  }

  /** running or canceling -> finished or canceled. */
  finish(job: FakeJob, result: JobResult): void {
    if (job.state !== "running" && job.state !== "canceling") {
      throw new HttpProblem(422, `The job is ${job.state}`);
    }
    move(job, job.state === "running" ? "finished" : "canceled");
    this.end(job, result);
  }

  /** What a person's Cancel does: at once without an agent, else the agent finds `canceling` in its next poll. */
  cancel(job: FakeJob): void {
    if (job.state === "finished" || job.state === "canceled" || job.state === "canceling") {
      return;
    }
    job.canceledAt = Date.now();
    const agent = this.agentOf(job);
    if (job.state === "running" || job.state === "accepted") {
      move(job, "canceling");
    } else {
      if (agent !== undefined) {
        delete agent.jobId;
      }
      move(job, "canceled");
    }
    this.tell(job, "canceled");
  }

  /** Notes a piece of a job's log. */
  log(job: FakeJob, sequence: number, text: Buffer): void {
    job.chunks.set(sequence, text);
    if (job.firstLogAt === undefined) {
      job.firstLogAt = Date.now();
      this.tell(job, "first-log");
    }
  }

  /** What an agent says at its first SIGTERM: it ends its job and takes no more. */
  stopping(agent: FakeAgent): void {
    agent.ignoresDispatch = true;
    agent.stoppingAt ??= Date.now();
    for (const job of this.jobsOf(agent)) {
      job.agentStoppingAt ??= agent.stoppingAt;
      this.tell(job, "agent-stopping");
    }
  }

  /** What an agent says at its end. */
  signOff(agent: FakeAgent): void {
    this.disconnect(agent);
    for (const job of this.jobsOf(agent)) {
      job.agentDisconnectedAt ??= agent.disconnectedAt;
      this.tell(job, "agent-disconnected");
    }
  }

  /** Takes the agent off; a job it was only assigned goes back into the queue. */
  private disconnect(agent: FakeAgent): void {
    agent.connected = false;
    agent.disconnectedAt ??= Date.now();
    const job = agent.jobId === undefined ? undefined : this.jobs.get(agent.jobId);
    if (job?.state === "assigned") {
      move(job, "scheduled");
      delete job.agentId;
      delete agent.jobId;
    }
  }

  /** Ends the jobs of agents not heard of for `afterMs`, as Buildkite does with lost agents. */
  loseAgents(afterMs: number): void {
    const limit = Date.now() - afterMs;
    for (const agent of this.agents.values()) {
      if (!agent.connected || agent.lastSeen > limit) {
        continue;
      }
      const job = agent.jobId === undefined ? undefined : this.jobs.get(agent.jobId);
      this.disconnect(agent);
      if (job !== undefined && (job.state === "accepted" || job.state === "running" || job.state === "canceling")) {
        move(job, "finished");
        job.lostAt = Date.now();
        this.end(job, { exitStatus: "-1", signalReason: "agent_lost" });
      }
    }
  }

  private give(job: FakeJob, agent: FakeAgent): FakeJob {
    move(job, "accepted");
    job.agentId = agent.id;
    job.agentName = agent.name;
    job.registeredAt = agent.registeredAt;
    job.acquiredAt = Date.now();
    agent.jobId = job.id;
    this.tell(job, "acquired");
    return job;
  }

  private end(job: FakeJob, result: JobResult): void {
    job.finishedAt = Date.now();
    job.result = result;
    const agent = this.agentOf(job);
    if (agent !== undefined) {
      delete agent.jobId;
    }
    this.tell(job, "finished");
  }

  /** Every job the agent has or had. */
  private jobsOf(agent: FakeAgent): FakeJob[] {
    return [...this.jobs.values()].filter(({ agentId }) => agentId === agent.id);
  }

  private agentOf(job: FakeJob): FakeAgent | undefined {
    return job.agentId === undefined ? undefined : this.agentsById.get(job.agentId);
  }
}
