import { messageOf, type Log } from "../log";
import type { JobStates } from "./job-states";
import { standingOf, type JobStanding } from "./job-state";
import type { StacksClient } from "./stacks-client";

/** What became of a report. */
export type Reported =
  /** The job has failed at Buildkite, with the cause. */
  | "finished"
  /** An agent has the job: a note stands beside it. */
  | "noted"
  /** Nothing to say any more, or Buildkite does not want to hear it. */
  | "unneeded"
  /** Buildkite cannot be asked just now; the job stays as it is. */
  | "unsaid";

/** Tells Buildkite why a job gets no pod, in a person's words. */
export class Report {
  readonly #client: Pick<StacksClient, "finish" | "notify">;
  readonly #states: Pick<JobStates, "ask">;
  readonly #log: Log;
  readonly #signal: AbortSignal;

  constructor(
    client: Pick<StacksClient, "finish" | "notify">,
    states: Pick<JobStates, "ask">,
    log: Log,
    signal: AbortSignal,
  ) {
    this.#client = client;
    this.#states = states;
    this.#log = log;
    this.#signal = signal;
  }

  /** Ends the job where no agent has it, by its state as it is now; never throws. */
  giveUp(uuid: string, cause: string): Promise<Reported> {
    return this.#say(uuid, async (standing) => {
      switch (standing) {
        case "runnable":
          return (await this.#client.finish(uuid, cause, this.#signal)) ? "finished" : "unneeded";
        case "with-agent":
          return this.#note(uuid, cause);
        default:
          return "unneeded";
      }
    });
  }

  /**
   * Ends a job whose agent is gone, where Buildkite still takes it for running. Whether Buildkite lets a stack do that is
   * not documented: where it refuses, the cause stands beside the job as a note. Never throws.
   */
  agentLost(uuid: string, cause: string): Promise<Reported> {
    return this.#say(uuid, async (standing) => {
      if (standing !== "with-agent") {
        return "unneeded";
      }
      if (await this.#client.finish(uuid, cause, this.#signal)) {
        return "finished";
      }
      // Refused because it has just ended, perhaps by the other replica: then there is nothing to say.
      const now = standingOf(await this.#states.ask(uuid));
      return now === "with-agent" ? this.#note(uuid, cause) : "unneeded";
    });
  }

  /** Writes a note beside a job that waits for its agent; never throws. */
  note(uuid: string, words: string): Promise<Reported> {
    return this.#say(uuid, async (standing) => (standing === "runnable" ? this.#note(uuid, words) : "unneeded"));
  }

  async #note(uuid: string, words: string): Promise<Reported> {
    return (await this.#client.notify(uuid, words, this.#signal)) ? "noted" : "unneeded";
  }

  async #say(uuid: string, by: (standing: JobStanding) => Promise<Reported>): Promise<Reported> {
    try {
      return await by(standingOf(await this.#states.ask(uuid)));
    } catch (error) {
      if (!this.#signal.aborted) {
        this.#log.warn("cause not told to Buildkite", { uuid, error: messageOf(error) });
      }
      return "unsaid";
    }
  }
}
