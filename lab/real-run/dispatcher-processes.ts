import { readFile } from "node:fs/promises";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import type { Failures } from "../failures";
import type { RealNode } from "../real-node";
import type { DispatcherProcess } from "./results";

const CONTAINER = "dispatcher";
const SELECTOR = "app.kubernetes.io/component=webhook-dispatcher";

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string };
    readonly status?: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }[];
}

/** Reads from the kernel what the dispatcher's containers really are; a security context that is only declared shows here. */
export async function readDispatchers(
  client: KubernetesClient,
  namespace: string,
  node: RealNode,
): Promise<DispatcherProcess[]> {
  const pods = await dispatcherPods(client, namespace);
  return Promise.all(
    pods.items.map(async ({ metadata }) => {
      const [pid] = await node.pids(metadata.uid, CONTAINER);
      if (pid === undefined) {
        throw new Error(`the dispatcher of pod ${metadata.name} does not run`);
      }
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      const mounts = await readFile(`/proc/${pid}/mountinfo`, "utf8");
      const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "";
      const root = mounts.split("\n").find((line) => line.split(" ")[4] === "/");
      return {
        pod: metadata.name,
        user: Number(field("Uid")),
        capabilities: field("CapEff"),
        noNewPrivileges: field("NoNewPrivs") === "1",
        seccomp: Number(field("Seccomp")),
        rootReadOnly: root?.split(" ")[5]?.split(",").includes("ro") ?? false,
      };
    }),
  );
}

/** Notes a failure for everything that is not as the Deployment says. */
export function judgeDispatchers(dispatchers: readonly DispatcherProcess[], failures: Failures): void {
  failures.equal(dispatchers.length, 2, "replicas of the dispatcher on the real node");
  for (const { pod, ...seen } of dispatchers) {
    failures.equal(
      seen,
      { user: 65532, capabilities: "0000000000000000", noNewPrivileges: true, seccomp: 2, rootReadOnly: true },
      `the process of ${pod}`,
    );
  }
}

/** How often the dispatcher's containers were started again; a probe that fails shows here. */
export async function dispatcherRestarts(client: KubernetesClient, namespace: string): Promise<number> {
  const { items } = await dispatcherPods(client, namespace);
  return items
    .flatMap(({ status }) => status?.containerStatuses ?? [])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);
}

function dispatcherPods(client: KubernetesClient, namespace: string): Promise<PodList> {
  return client.request<PodList>("GET", `/api/v1/namespaces/${namespace}/pods`, { query: { labelSelector: SELECTOR } });
}
