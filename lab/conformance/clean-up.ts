import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { KubernetesError } from "../../dispatcher/kubernetes/error";
import type { PodWatch } from "./pod-watch";
import { NAMESPACE } from "./template";

const POD_GONE_SECONDS = 45;
/** The kubelet removes volumes and cgroups of a pod some seconds after its containers. */
const TRACES_GONE_SECONDS = 20;

/**
 * Removes a case's Job and pod, by force where they do not go, and waits until no process, mount or cgroup of the pod is
 * left on the machine.
 *
 * @returns what could not be removed.
 */
export async function removeRun(
  client: KubernetesClient,
  watch: PodWatch,
  jobName: string,
  podUid: string | undefined,
): Promise<string[]> {
  const path = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs/${jobName}`;
  await remove(client, path, { propagationPolicy: "Background" });
  const pod = watch.podOf(jobName);
  if (podUid === undefined || pod === undefined) {
    return [];
  }
  const podPath = `/api/v1/namespaces/${NAMESPACE}/pods/${pod.name}`;
  await remove(client, podPath, { gracePeriodSeconds: 1 });
  const isGone = () => watch.podOf(jobName)?.goneAt !== undefined;
  const left: string[] = [];
  if (!(await within(POD_GONE_SECONDS, isGone))) {
    left.push(`the pod did not go within ${POD_GONE_SECONDS} s of its deletion`);
    await remove(client, podPath, { gracePeriodSeconds: 0 });
  }
  let traces: string[] = [];
  await within(TRACES_GONE_SECONDS, async () => {
    traces = await tracesOf(podUid);
    return traces.length === 0;
  });
  return [...left, ...traces];
}

async function remove(client: KubernetesClient, path: string, options: object): Promise<void> {
  const body = { apiVersion: "v1", kind: "DeleteOptions", ...options };
  try {
    await client.request("DELETE", path, { body });
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.status !== 404) {
      throw error;
    }
  }
}

async function within(seconds: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      return false;
    }
    await sleep(100);
  }
  return true;
}

/** Processes and mounts that carry the pod's uid. An empty cgroup folder shows in the check of the whole machine. */
async function tracesOf(uid: string): Promise<string[]> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").flatMap((line) => {
    const point = line.split(" ")[4] ?? "";
    return point.includes(uid) ? [`mount ${point}`] : [];
  });
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const processes = await Promise.all(
    pids.map(async (pid) => {
      const cgroups = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
      if (!cgroups.includes(uid)) {
        return [];
      }
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return [`process ${command.split("\0").join(" ").trim().slice(0, 80)}`];
    }),
  );
  return [...mounts, ...processes.flat()];
}
