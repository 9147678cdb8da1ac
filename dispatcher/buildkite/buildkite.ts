import type { Log } from "../log";
import type { Metrics } from "../metrics";
import type { ReconcileSettings } from "../settings";
import type { AgentTokens } from "./agent-tokens";
import { BuildkiteHealth } from "./health";
import { JobStates } from "./job-states";
import { standingOf } from "./job-state";
import { StacksClient } from "./stacks-client";
import { StacksConnection } from "./stacks-connection";

export interface BuildkiteOptions {
  settings: ReconcileSettings;
  /** Keys of the served queues. */
  queues: readonly string[];
  tokens: AgentTokens;
  version: string;
  metrics: Metrics;
  log: Log;
  signal: AbortSignal;
  /** See {@link StacksConnection}; default a quarter. */
  share?: number;
}

/** Buildkite, as far as it can be asked. */
export class Buildkite {
  readonly health: BuildkiteHealth;
  readonly client: StacksClient;
  readonly states: JobStates;
  readonly #connection: StacksConnection;

  constructor(options: BuildkiteOptions) {
    const { settings, tokens, version, metrics, log, signal, share } = options;
    this.health = new BuildkiteHealth(log);
    this.#connection = new StacksConnection({
      endpoint: settings.endpoint,
      tokens: () => tokens.all,
      userAgent: `buildkite-scale-to-zero-dispatcher/${version}`,
      health: this.health,
      share,
      onExchange: (call, code, seconds) => {
        metrics.buildkiteRequests.observe({ call, code }, seconds);
      },
    });
    const queues = [...new Set(options.queues)];
    this.client = new StacksClient({ connection: this.#connection, stackKey: settings.stackKey, queues, version });
    this.states = new JobStates(this.client, signal);
  }

  /** Whether the job is to run and no agent has it. @throws when Buildkite cannot be asked. */
  readonly isWanted = async (uuid: string): Promise<boolean> => standingOf(await this.states.ask(uuid)) === "runnable";

  close(): void {
    this.#connection.close();
  }
}
