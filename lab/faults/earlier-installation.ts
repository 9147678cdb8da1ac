import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { jobName, POOL_LABEL } from "../../components/contract";
import { stamp, type BuildkiteJob, type JobManifest, type PodTemplateObject } from "../../components/stamp";
import { isFinished } from "../../dispatcher/judge";
import type { Job, Pod } from "../../dispatcher/kubernetes/objects";
import type { KubernetesSide } from "./kubernetes-side";
import { QUEUE, type FaultSystem } from "./system";

/** How many of each kind. */
const OF_EACH = 6;

/** A Job that was there before, by name, with what says that nobody has touched it. */
interface Leftover {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
}

interface LeftoverObject {
  readonly metadata: {
    readonly uid: string;
    readonly generation: number;
    readonly deletionTimestamp?: string;
  };
}

/** What two earlier installations left in the agents' namespace. */
export interface EarlierInstallation {
  /** Those of them that are not as they were, in words. */
  changes(): Promise<string[]>;
}

/**
 * Puts into the namespace what earlier installations left: Jobs with our labels, live and finished, of a queue that is
 * gone and of ours, from templates that are gone and for builds that this Buildkite never had; and Jobs of somebody else
 * that only have such a name. The live ones wait for nodes of a pool that is gone.
 */
export async function createEarlierInstallation({ kubernetes, signal }: FaultSystem): Promise<EarlierInstallation> {
  const { agents, admin } = kubernetes;
  const leftovers: Leftover[] = [];
  const create = async (body: Pick<JobManifest, "spec"> & { metadata: { name: string } }): Promise<void> => {
    const { metadata } = await admin.request<LeftoverObject>("POST", agents.jobsPath, { body, signal });
    leftovers.push({ name: body.metadata.name, uid: metadata.uid, generation: metadata.generation });
  };
  for (const queue of ["removed", QUEUE]) {
    for (let count = 0; count < 2 * OF_EACH; count += 1) {
      const uuid = randomUUID();
      await create(stamp(earlierTemplate(agents.template), { uuid, queue, pipeline: "web" }));
      if (count < OF_EACH) {
        await endJob(kubernetes, uuid, signal);
      }
    }
  }
  for (let count = 0; count < OF_EACH; count += 1) {
    const { spec } = earlierTemplate(agents.template).template;
    await create({ metadata: { name: jobName(randomUUID()) }, spec: { backoffLimit: 0, template: { spec } } });
  }
  return {
    changes: async () => {
      const found = await Promise.all(
        leftovers.map(async ({ name, uid, generation }) => {
          const job = await kubernetes.find<LeftoverObject>(`${agents.jobsPath}/${name}`);
          const { metadata } = job ?? {};
          const isAsItWas =
            metadata?.uid === uid && metadata.generation === generation && metadata.deletionTimestamp === undefined;
          return isAsItWas
            ? []
            : [`${name} of an earlier installation was ${job === undefined ? "deleted" : "changed"}`];
        }),
      );
      return found.flat();
    },
  };
}

/** The Job of an earlier attempt at this build, finished, from a template that is gone. */
export async function createFinishedJob({ kubernetes, signal }: FaultSystem, job: BuildkiteJob): Promise<void> {
  const body = stamp(earlierTemplate(kubernetes.agents.template), job);
  await kubernetes.admin.request("POST", kubernetes.agents.jobsPath, { body, signal });
  await endJob(kubernetes, job.uuid, signal);
}

function earlierTemplate(template: PodTemplateObject): PodTemplateObject {
  const spec = { ...(template.template.spec as object), nodeSelector: { [POOL_LABEL]: "gone" } };
  return { metadata: { ...template.metadata, name: "earlier" }, template: { ...template.template, spec } };
}

/** Lets a Job's pod fail as a kubelet would say it, and waits until the Job is finished. */
async function endJob(kubernetes: KubernetesSide, uuid: string, signal: AbortSignal): Promise<void> {
  const { admin, agents } = kubernetes;
  const query = { labelSelector: `batch.kubernetes.io/job-name=${jobName(uuid)}` };
  for (let isEnded = false; !isEnded;) {
    await sleep(50, undefined, { signal });
    const { items } = await admin.request<{ items: Pod[] }>("GET", agents.podsPath, { query });
    for (const { metadata } of items) {
      await kubernetes.patch(`${agents.podsPath}/${metadata.name}/status`, { status: { phase: "Failed" } });
    }
    const job = await kubernetes.find<Job>(`${agents.jobsPath}/${jobName(uuid)}`);
    isEnded = job !== undefined && isFinished(job);
  }
}
