import { ENDLESS, type CaseRun, type ConformanceCase } from "../case";
import { dindEnds, ENDED_WELL } from "./rules";

interface NodeObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Something happens to the node under the pod. */
export const DISTURBANCES: readonly ConformanceCase[] = [
  {
    name: "kubelet restarts mid-job",
    longest: 40,
    disturbs: true,
    build: () => ({ command: "echo begun; sleep 12; echo done" }),
    blow: async (run) => {
      await run.untilLogged("begun");
      await run.together(() => run.node.restartKubelet());
      run.act();
    },
    look: (run, seen) => {
      if (seen.agent.instances !== 1 || seen.dind.instances !== 1) {
        run.faults.push(`containers were started again: agent ${seen.agent.instances}, dind ${seen.dind.instances}`);
      }
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "0", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "0", dindEnd: 7_000, podPhase: "Succeeded", jobResult: "Complete" },
      because: "as wanted, but for dind's polling",
    },
  },
  {
    name: "node deleted under the pod",
    longest: 150,
    disturbs: true,
    build: () => ({ command: ENDLESS }),
    blow: async (run) => {
      await run.untilLogged("begun");
      await run.together(() => deleteNode(run));
      run.act();
      // The pod garbage collector waits 40 s, and looks every 20 s.
      await run.until("the pod to go", 100, () => run.pod()?.goneAt !== undefined);
    },
    look: (run) => run.together(() => bringBack(run)),
    patience: 45,
    expected: () => ({
      agentExit: /^-1 \(agent_(stop|lost)\)$/,
      podPhase: /deleted$/,
      jobResult: "Failed",
      dindEnd: 10_000,
    }),
    documented: {
      ...{ podPhase: /deleted$/, jobResult: "Failed" },
      because: "the kubelet kills both once the API server has forgotten the pod",
    },
  },
];

async function deleteNode({ client, node, signal }: CaseRun): Promise<void> {
  await client.request("DELETE", `/api/v1/nodes/${node.name}`, { signal });
}

/** A kubelet registers its node when it starts. */
async function bringBack(run: CaseRun): Promise<void> {
  await run.node.restartKubelet();
  await run.until("the node to be back", 60, async () => {
    const path = `/api/v1/nodes/${run.node.name}`;
    const node = await run.client.request<NodeObject>("GET", path, { signal: run.signal }).catch(() => undefined);
    return node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  });
}
