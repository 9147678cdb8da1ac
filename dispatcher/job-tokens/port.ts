import { AgentsNamespace } from "../agents-namespace";
import type { Buildkite } from "../buildkite/buildkite";
import { Connections } from "../connections";
import { KubernetesClient, type KubernetesConnection } from "../kubernetes/client";
import { messageOf, type Log } from "../log";
import type { Metrics } from "../metrics";
import { Listener } from "../server";
import { Acquisitions } from "./acquisitions";
import { Callers } from "./callers";
import { JobTokens } from "./job-tokens";

/** Where the port is. */
export interface JobTokensListener {
  /** 0 for any. */
  port: number;
  tls: () => { cert: string; key: string };
  /** See {@link JobTokens}; only tests have a reason to change it. */
  holdMs?: number;
}

export interface JobTokensPortOptions {
  listener: JobTokensListener | undefined;
  listenAddress?: string;
  connection: KubernetesConnection;
  /** Of the agents. */
  namespace: string;
  buildkite: Pick<Buildkite, "client">;
  version: string;
  metrics: Metrics;
  log: Log;
  signal: AbortSignal;
}

const MOST_CONNECTIONS = 1024;
/** To the API server, apart from those that create Jobs: whoever floods this port does not get in their way. */
const SOCKETS = 8;

/** The port that build pods fetch their tokens from, and all that is behind it. */
export class JobTokensPort {
  readonly #listener: Listener;
  readonly #client: KubernetesClient;

  /** @throws Error without a certificate: a token never crosses the network in clear. */
  constructor(options: JobTokensPortOptions) {
    const { listener, listenAddress: address, namespace, buildkite, version, metrics, log, signal } = options;
    if (listener === undefined) {
      throw new Error("jobAcquisitionTokens needs a certificate for their port");
    }
    const userAgent = `buildkite-scale-to-zero-dispatcher/${version}`;
    this.#client = new KubernetesClient(options.connection, { maxSockets: SOCKETS, userAgent });
    const callers = new Callers({ api: new AgentsNamespace(this.#client, namespace, metrics), namespace });
    const acquisitions = new Acquisitions({ client: buildkite.client, signal });
    const tokens = new JobTokens({ callers, acquisitions, namespace, metrics, log, signal, holdMs: listener.holdMs });
    this.#listener = new Listener({
      ...{ ...listener, address },
      handle: (request, response) => tokens.handle(request, response, connections),
      onError: (error) => {
        log.error("request failed", { error: messageOf(error) });
      },
    });
    const connections = new Connections(this.#listener.server, MOST_CONNECTIONS, "secureConnection");
  }

  /** @returns the port. */
  listen(): Promise<number> {
    return this.#listener.listen();
  }

  /** Takes the certificate anew. */
  renew(): void {
    this.#listener.renew();
  }

  async close(milliseconds: number): Promise<void> {
    await this.#listener.close(milliseconds);
    this.#client.close();
  }
}
