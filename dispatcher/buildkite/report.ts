import { messageOf, type Log } from "../log";
import type { JobStates } from "./job-states";
import { standingOf } from "./job-state";
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
  async giveUp(uuid: string, cause: string): Promise<Reported> {
    let reported: Reported;
    try {
      reported = await this.#say(uuid, cause);
    } catch (error) {
      reported = "unsaid";
      if (!this.#signal.aborted) {
        this.#log.warn("cause not told to Buildkite", { uuid, error: messageOf(error) });
      }
    }
    return reported;
  }

  async #say(uuid: string, cause: string): Promise<Reported> {
    switch (standingOf(await this.#states.ask(uuid))) {
      case "runnable":
        return (await this.#client.finish(uuid, cause, this.#signal)) ? "finished" : "unneeded";
      case "with-agent":
        return (await this.#client.notify(uuid, cause, this.#signal)) ? "noted" : "unneeded";
      default:
        return "unneeded";
    }
  }
}
