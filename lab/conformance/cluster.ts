import { FakeBuildkite } from "../buildkite";
import { randomBytes } from "node:crypto";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { GitServer } from "../git";
import { type RealCluster, type RealClusterOptions, startRealCluster } from "../real-cluster";
import { machineAddress, type RealNode } from "../real-node";
import { startJobTokens } from "./job-tokens";
import { PodWatch } from "./pod-watch";
import { repositoryFiles } from "./repository";
import { DOCKERD_WRAPPERS, NAMESPACE, TOKEN_SECRET } from "./template";

/** Documented are 180 s; nobody here waits that long to see that nobody told Buildkite. */
export const AGENT_LOST_SECONDS = 15;

/** What pods' interfaces have: the default of Google's networks, and not what dockerd takes by itself. */
export const POD_MTU = 1460;

/** Everything the cases need, running. */
export interface ConformanceCluster {
  readonly client: KubernetesClient;
  readonly buildkite: FakeBuildkite;
  readonly git: GitServer;
  readonly watch: PodWatch;
  /** Where cases run side by side. */
  readonly node: RealNode;
  /** Where a case may disturb the node; one such case at a time. */
  readonly disturbedNode: RealNode;
  readonly agentImage: string;
  readonly dindImage: string;
  readonly signal: AbortSignal;
  /** A queue that nobody else uses: agents in queue mode would take each other's jobs. */
  nextQueue(): string;
  stop(): Promise<void>;
}

/**
 * Starts control plane, two nodes, Buildkite and a git server. Only in the inner process of `runInNamespaces`.
 *
 * @throws with what did not start; nothing of it runs then.
 */
export async function startCluster(options: RealClusterOptions): Promise<ConformanceCluster> {
  const { images, signal } = options;
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) {
      await next();
    }
  };
  try {
    const real = await startRealCluster(options);
    stops.push(() => real.stop());
    const { client } = real;
    const agentToken = `bkct_${randomBytes(16).toString("hex")}`;
    const buildkite = new FakeBuildkite({
      agentToken,
      webhookSecret: randomBytes(16).toString("hex"),
      seed: 4,
      host: machineAddress,
      intervals: { ping: 1, jobStatus: 1, heartbeat: 3 },
      agentLostAfterSeconds: AGENT_LOST_SECONDS,
    });
    await buildkite.start();
    stops.push(() => buildkite.stop());
    const git = new GitServer();
    await git.start(machineAddress);
    stops.push(() => git.stop());
    git.add("web", repositoryFiles(images.base.reference));
    const request = { maxPods: 64, images: [images.pause, images.agent, images.dind] };
    const [node, disturbedNode] = await Promise.all([
      real.startNode({ ...request, name: "builds" }),
      real.startNode({ ...request, name: "disturbed" }),
    ]);
    await Promise.all([node.setPodMtu(POD_MTU), disturbedNode.setPodMtu(POD_MTU)]);
    await createObjects(real, agentToken);
    stops.push(await startJobTokens(real, buildkite, agentToken));
    const watch = new PodWatch(client, NAMESPACE);
    stops.push(() => {
      watch.stop();
    });
    await watch.start(signal);
    let queues = 0;
    return {
      ...{ client, buildkite, git, watch, node, disturbedNode, signal, stop },
      agentImage: images.agent.reference,
      dindImage: images.dind.reference,
      nextQueue: () => `queue-${++queues}`,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createObjects({ client }: RealCluster, agentToken: string): Promise<void> {
  const labels = { "pod-security.kubernetes.io/enforce": "privileged" };
  await client.request("POST", "/api/v1/namespaces", { body: { metadata: { name: NAMESPACE, labels } } });
  const core = `/api/v1/namespaces/${NAMESPACE}`;
  const secret = { metadata: { name: TOKEN_SECRET.secret }, stringData: { [TOKEN_SECRET.key]: agentToken } };
  await client.request("POST", `${core}/secrets`, { body: secret });
  for (const [kind, dockerd] of Object.entries(DOCKERD_WRAPPERS)) {
    const body = { metadata: { name: `dockerd-${kind}` }, data: { dockerd } };
    await client.request("POST", `${core}/configmaps`, { body });
  }
}
