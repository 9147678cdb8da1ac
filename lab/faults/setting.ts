/** What a row may want other than usual; what is left out is as usual. */
export interface SystemSetting {
  /** Live Jobs that the dispatcher allows; default more than any row has builds. */
  readonly inFlight?: (builds: number) => number;
  /** Pods that the pool has room for; default more than any row has builds. */
  readonly capacity?: (builds: number) => number;
  /** Whether the dispatchers reach the API server by way of a proxy that can misbehave; default no. */
  readonly proxy?: boolean;
  /** How long Buildkite waits for a word of an agent before it is lost; default 180 s. Agents send one three times as often. */
  readonly agentLostAfterSeconds?: number;
  /** How long after its Job's end a pod may go without having been told to end; default 5,000 ms. */
  readonly podGraceMs?: number;
  /** A build's time limit and, on top of it, how long its pod may wait for a node, in seconds; default 14,400 and 7,200. */
  readonly time?: { readonly buildSeconds: number; readonly pendingSeconds: number };
  /** Jobs that the dispatcher holds; default 1,000. With 512 more it is the bound on connections. */
  readonly bufferSize?: number;
  /** Memory that each dispatcher process may have, MiB; default no limit. */
  readonly memoryMiB?: number;
}
