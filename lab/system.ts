import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KubernetesClient } from "../dispatcher/kubernetes/client";
import { Addresses } from "./addresses";
import { SimulatedAgents } from "./agents";
import { PoolAutoscaler } from "./autoscaler";
import { FakeBuildkite } from "./buildkite";
import { runAll } from "./clean-up";
import { CLUSTER } from "./cluster";
import { type ControlPlane, type ControlPlaneParts, startControlPlane } from "./control-plane";
import { DispatcherPods } from "./dispatcher-pods";
import { FakeGcp } from "./gcp";
import { OverlapWatch } from "./overlap";
import { createAdminToken } from "./pulumi/cluster-credential/admin-token";
import type { LabSecrets } from "./secrets";
import { createSystemNode } from "./system-node";

/** What the lab is made of, besides the stacks that pulumi makes. */
export interface LabSystem {
  readonly controlPlane: ControlPlane;
  /** May do everything. */
  readonly client: KubernetesClient;
  /** Holds the bearer token that the stand-in for Google's auth plugin hands out. */
  readonly credentialFile: string;
  readonly gcp: FakeGcp;
  readonly buildkite: FakeBuildkite;
  /** The prod stack's: two stacks that serve one queue of one Buildkite cluster would start two pods for each job. */
  readonly prodBuildkite: FakeBuildkite;
  readonly autoscaler: PoolAutoscaler;
  readonly agents: SimulatedAgents;
  readonly dispatcherPods: DispatcherPods;
  readonly watch: OverlapWatch;
  /** Ends all of it, in reverse order. */
  stop(): Promise<void>;
}

/** How to start it. */
export interface SystemRequest {
  readonly parts: ControlPlaneParts;
  readonly workDir: string;
  readonly secrets: LabSecrets;
  readonly seed: number;
  readonly timeScale: number;
  /** Namespaces that build pods run in. */
  readonly agentsNamespaces: readonly string[];
  /** Label that the watched pool's nodes carry. */
  readonly poolSelector: string;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  /** Hears what goes wrong inside a stand-in. */
  readonly onError: (part: string, error: unknown) => void;
}

/** Starts control plane, nodes and stand-ins; stops what it had started when one of them cannot start. */
export async function startSystem(request: SystemRequest): Promise<LabSystem> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    // The last that was started first.
    await runAll(stops.splice(0).reverse());
  };
  /** Starts a part and remembers how it stops. */
  async function started<T extends { start(): Promise<void>; stop(): Promise<void> }>(part: T): Promise<T> {
    request.signal.throwIfAborted();
    stops.push(() => part.stop());
    await part.start();
    return part;
  }
  try {
    return { ...(await startParts(request, stops, started)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  request: SystemRequest,
  stops: (() => Promise<void>)[],
  started: <T extends { start(): Promise<void>; stop(): Promise<void> }>(part: T) => Promise<T>,
): Promise<Omit<LabSystem, "stop">> {
  const { parts, workDir, secrets, seed, timeScale, signal, print, onError } = request;
  const controlPlane = await startControlPlane({ parts, workDir, signal, print });
  stops.push(() => controlPlane.stop());
  const { server, caPem, clientCertPem, clientKeyPem } = controlPlane.adminKubeconfig;
  const client = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
  stops.push(() => {
    client.close();
    return Promise.resolve();
  });
  const credentialFile = join(workDir, "cluster-credential");
  await writeFile(credentialFile, await createAdminToken(client, signal), { mode: 0o600 });
  await createSystemNode(client);

  const gcp = await started(new FakeGcp());
  gcp.addCluster({ ...CLUSTER, endpoint: new URL(server).host, caPem });
  const { agentToken, webhookSecret } = secrets;
  const buildkite = await started(new FakeBuildkite({ agentToken, webhookSecret, seed }));
  const prodBuildkite = await started(new FakeBuildkite({ agentToken, webhookSecret, seed: seed + 1 }));
  const autoscaler = await started(
    new PoolAutoscaler({
      client,
      pool: () => gcp.nodePools(),
      profile: "OPTIMIZE_UTILIZATION",
      timeScale,
    }),
  );
  gcp.onDeleteNodePool = (pool) => autoscaler.removePool(pool.name);
  await started(
    new Addresses(client, (error) => {
      onError("addresses", error);
    }),
  );
  const agents = await started(
    new SimulatedAgents({
      client,
      buildkiteUrl: buildkite.url,
      namespaces: request.agentsNamespaces,
      timeScale,
      onError: (error) => {
        onError("simulated agents", error);
      },
    }),
  );
  const dispatcherPods = await started(
    new DispatcherPods({
      client,
      server,
      logFolder: join(workDir, "dispatcher-logs"),
      timeScale,
      onError: (error) => {
        onError("dispatcher pods", error);
      },
    }),
  );
  dispatcherPods.onTargets(() => {
    buildkite.setWebhookTargets(dispatcherPods.targets());
  });
  const watch = await started(new OverlapWatch({ client, poolSelector: request.poolSelector }));
  return {
    controlPlane,
    client,
    credentialFile,
    gcp,
    buildkite,
    prodBuildkite,
    autoscaler,
    agents,
    dispatcherPods,
    watch,
  };
}
