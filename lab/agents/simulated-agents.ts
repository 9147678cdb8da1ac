/**
 * A stand-in for the kubelet and the buildkite-agent of every build pod on a kwok node.
 *
 * Models: the container's environment as a kubelet resolves it (Secrets read live, so a rotated token counts; a missing
 * one is CreateContainerConfigError until it is there), the agent's calls, retries and exit codes in acquire and queue
 * mode, the init container that fetches a job acquisition token, preStop with SIGQUIT, SIGTERM, the grace period, the
 * pod's own deadline, the statuses a kubelet writes, a node that is gone from one moment to the next with all that ran on
 * it.
 * Does not prove: anything about a real kubelet, a real agent, dockerd, images, probes, memory limits or the order in
 * which real containers die; a build is a wait. Conformance on a real node is for that.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { JOB_UUID, MANAGED_BY_LABEL, PROJECT } from "../../components/contract";
import { KubernetesError, type KubernetesClient } from "../../dispatcher/kubernetes/client";
import { Informer } from "../../dispatcher/kubernetes/informer";
import type { Pod } from "../kubelet/pod";
import { AgentConnection } from "./agent-connection";
import { needsJobToken } from "./job-token";
import { PodRun } from "./pod-run";

/** How to make {@link SimulatedAgents}. */
export interface SimulatedAgentsOptions {
  readonly client: KubernetesClient;
  /** The fake's base URL; used with `/v3` by pods whose environment names no endpoint. */
  readonly buildkiteUrl: string;
  /** The agents' namespaces. */
  readonly namespaces: readonly string[];
  /** Divides the agents' own waits (retries, idle time-out); never a build's length. */
  readonly timeScale: number;
  /** Hears what went wrong in a stand-in itself. */
  readonly onError?: (error: unknown) => void;
}

const KWOK_ANNOTATION = "kwok.x-k8s.io/node";

/** See the top of this file. */
export class SimulatedAgents {
  /** Pods whose agent was refused the job (exit 27): each was a pod for nothing. */
  wastedPods = 0;
  /** How often the command of each Buildkite job was run, by the agents' own account. */
  readonly runs = new Map<string, number>();
  /** Exit codes of the agents that ended, with how many had each. */
  readonly exitCodes = new Map<number, number>();
  private readonly stopping = new AbortController();
  private readonly connection = new AgentConnection();
  private readonly informers: Informer<Pod, Pod>[];
  private readonly pods = new Map<string, PodRun>();
  /** Pods that have had their agent: a late event may still call them Running. */
  private readonly served = new Set<string>();
  private readonly running = new Set<Promise<void>>();
  private readonly kwokNodes = new Map<string, Promise<boolean>>();

  constructor(private readonly options: SimulatedAgentsOptions) {
    const { client, namespaces } = options;
    // Several for each agent.
    setMaxListeners(0, this.stopping.signal);
    this.informers = namespaces.map(
      (namespace) =>
        new Informer<Pod, Pod>({
          client,
          path: `/api/v1/namespaces/${namespace}/pods`,
          query: { labelSelector: `${MANAGED_BY_LABEL}=${PROJECT},${JOB_UUID}` },
          keep: (pod) => pod,
          onChange: (kind, pod) => {
            this.onPod(kind, pod);
          },
          onError: (error) => {
            options.onError?.(error);
          },
        }),
    );
  }

  /** Resolves once the pods there are were read. */
  async start(): Promise<void> {
    await Promise.all(this.informers.map((informer) => informer.start(this.stopping.signal)));
  }

  /** Kills every simulated agent as it stands and closes all connections. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.running);
    this.connection.close();
  }

  /** Agents that run now. */
  get active(): number {
    return this.pods.size;
  }

  /** A node is gone as it stood: its agents die and say no more, its kubelet writes nothing. */
  loseNode(name: string): void {
    for (const run of this.pods.values()) {
      if (run.nodeName === name) {
        run.lose();
      }
    }
  }

  private onPod(kind: "added" | "modified" | "deleted", pod: Pod): void {
    const known = this.pods.get(pod.metadata.uid);
    if (kind === "deleted") {
      known?.kill();
      this.served.delete(pod.metadata.uid);
      return;
    }
    if (known !== undefined) {
      known.update(pod);
      return;
    }
    // kwok leaves pods that fetch a token to us as soon as they have their node.
    const asks = pod.status?.phase === "Pending" && pod.spec.nodeName !== undefined && needsJobToken(pod);
    const begins = (asks || pod.status?.phase === "Running") && pod.metadata.deletionTimestamp === undefined;
    if (!begins || this.served.has(pod.metadata.uid)) {
      return;
    }
    const { client, buildkiteUrl, timeScale } = this.options;
    const run = new PodRun(pod, {
      client,
      connection: this.connection,
      endpoint: `${buildkiteUrl}/v3`,
      timeScale,
      signal: this.stopping.signal,
    });
    this.pods.set(pod.metadata.uid, run);
    const running = this.serve(pod, run).finally(() => {
      this.running.delete(running);
    });
    this.running.add(running);
  }

  private async serve(pod: Pod, run: PodRun): Promise<void> {
    try {
      if (!(await this.onKwok(pod.spec.nodeName ?? ""))) {
        return;
      }
      const exit = await run.run();
      if (exit === undefined || this.stopping.signal.aborted) {
        return;
      }
      this.wastedPods += exit.refused ? 1 : 0;
      this.exitCodes.set(exit.code, (this.exitCodes.get(exit.code) ?? 0) + 1);
      if (exit.ran !== undefined) {
        this.runs.set(exit.ran, (this.runs.get(exit.ran) ?? 0) + 1);
      }
    } catch (error) {
      if (!this.stopping.signal.aborted) {
        this.options.onError?.(error);
      }
    } finally {
      this.served.add(pod.metadata.uid);
      this.pods.delete(pod.metadata.uid);
    }
  }

  /** Whether kwok plays this node's kubelet: on a real node a real agent runs, and we keep our hands off. */
  private onKwok(name: string): Promise<boolean> {
    const known = this.kwokNodes.get(name);
    if (known !== undefined) {
      return known;
    }
    const asking = this.askKwok(name);
    this.kwokNodes.set(name, asking);
    return asking;
  }

  private async askKwok(name: string): Promise<boolean> {
    const { signal } = this.stopping;
    for (;;) {
      try {
        const node = await this.options.client.request<Pick<Pod, "metadata">>("GET", `/api/v1/nodes/${name}`, {
          signal,
        });
        return node.metadata.annotations?.[KWOK_ANNOTATION] === "fake";
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof KubernetesError && error.status === 404) {
          return false;
        }
        await sleep(500, undefined, { signal });
      }
    }
  }
}
