/** What a row may want other than usual; what is left out is as usual. */
export interface SystemSetting {
  /** Live Jobs that the dispatcher allows; default more than any row has builds. */
  readonly inFlight?: (builds: number) => number;
  /** Pods that the pool has room for; default more than any row has builds. */
  readonly capacity?: (builds: number) => number;
  /** A build's time limit and, on top of it, how long its pod may wait for a node, in seconds; default 14,400 and 7,200. */
  readonly time?: { readonly buildSeconds: number; readonly pendingSeconds: number };
  /** Jobs that the dispatcher holds; default 1,000. With 512 more it is the bound on connections. */
  readonly bufferSize?: number;
  /** Memory that each dispatcher process may have, MiB; default no limit. */
  readonly memoryMiB?: number;
}
