import { jobName } from "../../components/contract";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { readPool } from "../autoscaler";
import { logOf } from "../buildkite";
import { PodWatch } from "../conformance/pod-watch";
import type { Failures } from "../failures";
import type { LabOptions } from "../options";
import type { Phases } from "../phases";
import type { RealNode } from "../real-node";
import { until } from "../waiting";
import { giveUpCrashingDind } from "./crashing-dind";
import { readBuild, scheduleRealBuild } from "./real-builds";
import type { GivenUpBuild, RealBuild } from "./results";
import type { RealSystem } from "./system";

/** A build with its image, three containers and a checkout, on two cores beside all the rest. Seconds. */
const BUILD_PATIENCE = 120;

/** What the builds need. */
export interface RealBuildsRun {
  readonly options: LabOptions;
  readonly signal: AbortSignal;
  readonly phases: Phases;
  readonly failures: Failures;
  /** What was seen is added here. */
  readonly builds: RealBuild[];
  readonly system: RealSystem;
  readonly namespaces: { readonly dispatcher: string; readonly agents: string };
  /** Name of the node pool that the stack declared. */
  readonly poolName: string;
}

/**
 * Runs the builds one after the other, so that their times are those of a warm node; the first waits for that node. Then one
 * that cannot start.
 */
export async function runRealBuilds(run: RealBuildsRun): Promise<GivenUpBuild> {
  const { options, signal, phases, system, namespaces, poolName } = run;
  const { client, buildkite } = system;
  // Through the Service, whose rules a real kube-proxy keeps.
  buildkite.setWebhookTargets([await serviceAddress(client, namespaces.dispatcher)]);
  const watch = new PodWatch(client, namespaces.agents);
  await watch.start(signal);
  try {
    const node = await phases.run("a build waits for a node, the node comes, the build runs", async () => {
      const first = scheduleRealBuild(system, 0);
      await until("the pod of the first build", 30, signal, () => watch.podOf(jobName(first.job.id)) !== undefined);
      const pool = await startPoolNode(system, poolName);
      await finish(run, watch, pool, first);
      return pool;
    });
    await phases.run(`${options.builds - 1} more builds on the warm node`, async () => {
      for (let index = 1; index < options.builds; index++) {
        await finish(run, watch, node, scheduleRealBuild(system, index));
      }
    });
    return await giveUpCrashingDind(system, watch, run);
  } finally {
    watch.stop();
  }
}

/** Waits for the end of a build's Job and judges it. */
async function finish(
  { signal, failures, phases, builds }: RealBuildsRun,
  watch: PodWatch,
  node: RealNode,
  scheduled: ReturnType<typeof scheduleRealBuild>,
): Promise<void> {
  const { job, sidecar, expectedExitStatus } = scheduled;
  const name = jobName(job.id);
  await until(
    `the end of Job ${name}`,
    BUILD_PATIENCE,
    signal,
    () => watch.jobOf(name)?.result !== undefined,
    () => `${JSON.stringify(watch.podOf(name))}\n${logOf(job)}`,
  );
  const build = readBuild(scheduled, watch, node);
  builds.push(build);
  const { exitStatus, podPhase, jobResult } = build;
  failures.equal(
    { exitStatus, podPhase, jobResult },
    { exitStatus: expectedExitStatus, podPhase: "Succeeded", jobResult: "Complete" },
    `a build of queue ${job.queue}`,
  );
  if (exitStatus !== expectedExitStatus) {
    phases.say(`its log:\n${logOf(job)}`);
  }
  phases.say(
    `${job.queue} (${sidecar}): exit ${exitStatus ?? "-"}, first log line after ${build.scheduledToFirstLogMs ?? "-"} ms, ` +
      `dind ended ${build.agentEndToDindEndMs ?? "-"} ms after the agent, the pod ${build.agentEndToPodTerminalMs ?? "-"} ms`,
  );
}

/** What GKE's autoscaler does for a pod that waits: a machine with the labels and taints of the declared pool. */
function startPoolNode({ gcp, startNode }: RealSystem, poolName: string): Promise<RealNode> {
  const declared = gcp.nodePools().find(({ name }) => name === poolName);
  if (declared === undefined) {
    throw new Error(`the stack declared no node pool ${poolName}`);
  }
  const { labels, taints } = readPool(declared);
  return startNode({ name: "agents-1", labels, taints });
}

async function serviceAddress(client: KubernetesClient, namespace: string): Promise<string> {
  const { items } = await client.request<{ items: { spec: { clusterIP: string; ports: { port: number }[] } }[] }>(
    "GET",
    `/api/v1/namespaces/${namespace}/services`,
  );
  const [service] = items;
  const port = service?.spec.ports[0]?.port;
  if (service === undefined || port === undefined) {
    throw new Error(`there is no Service in namespace ${namespace}`);
  }
  return `http://${service.spec.clusterIP}:${port}`;
}
