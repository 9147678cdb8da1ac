import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentsNamespace } from "./agents-namespace";
import type { AgentTokens } from "./buildkite/agent-tokens";
import { Buildkite } from "./buildkite/buildkite";
import { BuildkiteLoops } from "./buildkite/loops";
import { Cluster } from "./cluster";
import { Connections } from "./connections";
import { Dispatch } from "./dispatch";
import { JobTokensPort, type JobTokensListener } from "./job-tokens/port";
import { KubernetesClient, type KubernetesConnection } from "./kubernetes/client";
import { messageOf, type Log } from "./log";
import { createMetrics, type Metrics } from "./metrics";
import { answerProbe, operationsHandler, pathOf } from "./operations";
import { Orphans } from "./orphans";
import { PATIENCE, type Patience } from "./patience";
import { Listener } from "./server";
import { reconcileSettings, type DispatcherSettings } from "./settings";
import { notReadyBecause, oldestHeldSeconds, readStatus } from "./status";
import { Slots } from "./slots";
import { Troubles } from "./troubles";
import { WaitingRoom } from "./waiting-room";
import { Webhook } from "./webhook";
import type { WebhookSecrets } from "./webhook-secrets";

export interface DispatcherOptions {
  settings: DispatcherSettings;
  secrets: WebhookSecrets;
  /** With mode `reconcile`. */
  agentTokens?: AgentTokens;
  connection: KubernetesConnection;
  log: Log;
  /** 0 for any. */
  port: number;
  /** 0 for any. */
  operationsPort: number;
  listenAddress?: string;
  /** Makes the webhook port speak HTTPS. */
  tls?: () => { cert: string; key: string };
  /** Where build pods fetch their tokens: with `jobAcquisitionTokens`, and only over HTTPS. */
  jobTokens?: JobTokensListener;
  podName: string;
  version: string;
  /** Memory, CPU and event loop among the metrics; only one dispatcher of a process may. */
  processMetrics?: boolean;
  /** Default {@link PATIENCE}. */
  patience?: Partial<Patience>;
  /** Part of Buildkite's documented limits that is used; default a quarter. Only tests have a reason to change it. */
  buildkiteShare?: number;
  /** Something that must not end has ended: the process should too. */
  onFatal: (error: unknown) => void;
}

export interface RunningDispatcher {
  port: number;
  operationsPort: number;
  /** Where there is one. */
  jobTokensPort?: number;
  /** Settled once the templates were read: `/readyz` answers 200 from then on. */
  ready: Promise<void>;
  /** Takes the webhook port's certificate anew. @throws when it is none; the former one stays. */
  renewTls(): void;
  /** The same of the port for job acquisition tokens. */
  renewJobTokensTls(): void;
  /**
   * Graceful: serves on for a moment while it is taken out of the load balancer, finishes what it has acknowledged,
   * then closes. What could not be finished is logged.
   */
  stop(): Promise<void>;
}

/** Connections to the webhook port beside those whose webhook is held: there is one for each place in the buffer. */
const SPARE_CONNECTIONS = 512;
/** However large the buffer is. */
const MOST_CONNECTIONS = 8192;

/** Starts the service; it listens when the promise is settled. */
export async function startDispatcher(options: DispatcherOptions): Promise<RunningDispatcher> {
  const { settings, log, connection, secrets } = options;
  const { agentsNamespace: namespace, limits, queues } = settings;
  const stopping = new AbortController();
  const { signal } = stopping;
  const patience: Patience = { ...PATIENCE, ...options.patience };
  const { answerWithinMs, drainMs, finishMs } = patience;
  const feeding = new AbortController();
  // Every request and every wait listens: many at one time are no leak, and Node's warning of one is no line of our log.
  setMaxListeners(0, signal, feeding.signal);
  let draining = false;

  const metrics = createMetrics(options.version);
  if (options.processMetrics === true) {
    metrics.readProcess();
  }
  // Creates, and beside them what must not wait behind creates: reads and deletes of orphans, templates, lists.
  const client = new KubernetesClient(connection, {
    maxSockets: limits.createConcurrency + 8,
    userAgent: `buildkite-scale-to-zero-dispatcher/${options.version}`,
  });
  const api = new AgentsNamespace(client, namespace, metrics);
  const room = new WaitingRoom();
  const cluster = new Cluster({
    ...{ client, api, settings, metrics, log },
    onJobGone: (name) => {
      room.onJobGone(name);
      loops?.reconcile.slotFreed();
    },
    onJobFinished: (name) => {
      room.onJobFinished(name);
      loops?.reconcile.slotFreed();
    },
  });
  const { templates, jobs, pods, stories } = cluster;
  const onCreated = (name: string, queue: string): void => {
    jobs.created(name, queue);
  };
  const buildkite = connectBuildkite(options, metrics, signal);
  const { isWanted } = buildkite ?? {};
  const dispatch = new Dispatch({
    ...{ api, templates, room, limits, patience, metrics, log, isWanted, onCreated },
    hasPods: (uuid) => cluster.hasPods(uuid),
    slots: new Slots(reconcileSettings(settings)?.inFlight ?? Infinity, () => jobs.liveCount()),
    onMade: (held, uid) => {
      stories.made(held, uid);
    },
    onDecided: (held, outcome) => {
      loops?.attempts.decided(held, outcome);
      if (outcome === "deferred" && held.deferredBy === "cap") {
        loops?.reconcile.missed();
      }
      loops?.reconcile.roomMade();
    },
  });
  const orphans = new Orphans({ api, jobs, pods, metrics, log, intervalMs: patience.orphansIntervalMs });

  const faults = (): string[] => notReadyBecause(templates, dispatch, draining);
  const lastContact = (): number => cluster.lastContact;
  const startedAt = new Date();

  const handleWebhookPort = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (pathOf(request) === "/webhook") {
      await webhook.handle(request, response);
    } else {
      answerProbe(request, response, faults);
    }
  };
  const status = (): Record<string, unknown> =>
    readStatus({
      ...{ ...options, startedAt, ready: faults, lastContact, dispatch, room, jobs, templates, buildkite, reconcile },
      ...{ isStopped, troubles: () => troubles.list(), lastGenuineAt: () => webhook.lastGenuineAt },
    });

  const { port, operationsPort, listenAddress: address, tls } = options;
  const onError = (error: unknown): void => {
    log.error("request failed", { error: messageOf(error) });
  };
  const webhooks = new Listener({ port, address, tls, handle: handleWebhookPort, onError });
  const operations = new Listener({
    port: operationsPort,
    address,
    handle: operationsHandler({ metrics, status, faults }),
    onError,
  });
  const event = tls === undefined ? "connection" : "secureConnection";
  const mostConnections = Math.min(limits.bufferSize + SPARE_CONNECTIONS, MOST_CONNECTIONS);
  const connections = new Connections(webhooks.server, mostConnections, event);
  const { templates: ready, jobs: jobsRead, pods: podsRead } = cluster.start(signal);
  const reconciling = reconcileSettings(settings);
  const loops =
    buildkite &&
    reconciling &&
    new BuildkiteLoops({
      ...{ buildkite, settings: reconciling, queues, namespace, signal, patience },
      ...{ api, dispatch, jobs, pods, stories, metrics, log },
      ready: Promise.all([ready, jobsRead]),
    });
  options.agentTokens?.onChange(() => loops?.reconcile.tryAgain());
  const { reconcile, attempts } = loops ?? {};
  const isStopped = attempts && ((key: string): boolean => attempts.isStopped(key));
  const webhook = new Webhook({ secrets, queues, dispatch, reconcile, connections, metrics, log, answerWithinMs });

  const troubles = new Troubles(
    {
      ...{ startedAt: startedAt.getTime(), lastContact, watches: { jobs, pods, podtemplates: templates } },
      missingTemplates: () => cluster.missingTemplates,
      waiting: () => room.counts(),
      bufferFull: () => dispatch.full,
      buildkite: loops?.troubleSources,
      silentMs: patience.silentMs,
      troubleAfterMs: patience.troubleAfterMs,
    },
    log,
  );
  metrics.read({
    inFlight: () => jobs.inFlight(),
    held: () => {
      const counts = room.counts();
      const waiting = [...counts.values()].reduce((sum, count) => sum + count, 0);
      return new Map<string, number>([...counts, ["creating", dispatch.heldCount - waiting]]);
    },
    oldestHeldSeconds: () => oldestHeldSeconds(dispatch),
    bufferSize: limits.bufferSize,
    lastContact,
    ready: () => faults().length === 0,
    pendingPods: () => pods.pendingByQueue(),
    troubles: () => troubles.pairs(),
    buildkite: loops?.gauges,
  });

  const watched = [ready, jobsRead, podsRead];
  const looks = [orphans.run(signal), stories.run(signal), troubles.run(patience.troublesIntervalMs, signal)];
  for (const endless of [...watched, ...looks, ...(loops?.run(feeding.signal) ?? [])]) {
    endless.catch((error: unknown) => {
      if (!signal.aborted) {
        options.onFatal(error);
      }
    });
  }
  const jobTokens =
    buildkite && reconciling?.jobAcquisitionTokens === true
      ? new JobTokensPort({ ...options, listener: options.jobTokens, namespace, buildkite, metrics, signal })
      : undefined;
  const listening = {
    ...{ port: await webhooks.listen(), operationsPort: await operations.listen() },
    ...(jobTokens && { jobTokensPort: await jobTokens.listen() }),
  };
  log.info("listening", { ...listening, tls: tls !== undefined });

  const stop = async (): Promise<void> => {
    draining = true;
    // What is not begun stays at Buildkite, for the other replica or the next process.
    feeding.abort();
    log.info("stopping", { held: dispatch.heldCount });
    await sleep(drainMs);
    const deadline = performance.now() + finishMs;
    // What is held comes to its end while the last requests come to theirs: they wait for it.
    await Promise.all([webhooks.close(finishMs), dispatch.finish(finishMs), jobTokens?.close(finishMs)]);
    await dispatch.finish(Math.max(deadline - performance.now(), 0));
    stopping.abort();
    await operations.close(0);
    client.close();
    buildkite?.close();
    log.info("stopped");
  };
  let stopped: Promise<void> | undefined;
  return {
    ...listening,
    ready,
    renewTls: () => {
      webhooks.renew();
    },
    renewJobTokensTls: () => {
      jobTokens?.renew();
    },
    stop: () => (stopped ??= stop()),
  };
}

/** @throws SettingsError when mode `reconcile` lacks something. */
function connectBuildkite(options: DispatcherOptions, metrics: Metrics, signal: AbortSignal): Buildkite | undefined {
  const { settings, agentTokens: tokens, version, log, buildkiteShare: share } = options;
  const reconciling = reconcileSettings(settings);
  if (reconciling === undefined) {
    return undefined;
  }
  if (tokens === undefined) {
    throw new Error('mode "reconcile" needs an agent token');
  }
  const queues = settings.queues.map(({ key }) => key);
  return new Buildkite({ settings: reconciling, queues, tokens, version, metrics, log, signal, share });
}
