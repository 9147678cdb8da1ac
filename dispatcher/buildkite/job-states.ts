import type { StacksClient } from "./stacks-client";

/** Questions are gathered for so long: a burst of them becomes one call. */
const GATHER_MS = 20;

/** Asks for the states of single jobs, many of them in one call. */
export class JobStates {
  readonly #client: Pick<StacksClient, "getStates">;
  readonly #signal: AbortSignal;
  #next: { uuids: Set<string>; states: Promise<Map<string, string>> } | undefined;

  /** @param signal ends every question. */
  constructor(client: Pick<StacksClient, "getStates">, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** The job's state as Buildkite has it from now on; `undefined` when it does not know the job. @throws as the client. */
  async ask(uuid: string): Promise<string | undefined> {
    this.#next ??= this.#gather();
    this.#next.uuids.add(uuid);
    return (await this.#next.states).get(uuid);
  }

  #gather(): { uuids: Set<string>; states: Promise<Map<string, string>> } {
    const uuids = new Set<string>();
    const gathered = new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    const states = gathered.then(() => {
      this.#next = undefined;
      return this.#client.getStates([...uuids], this.#signal);
    });
    return { uuids, states };
  }
}
