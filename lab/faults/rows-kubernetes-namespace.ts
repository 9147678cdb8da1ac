import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { AGENT_CONTAINER } from "../../components/contract";
import type { PodTemplateObject } from "../../components/stamp";
import { isFinished } from "../../dispatcher/judge";
import { inBackground } from "../in-background";
import { createJobPolicies } from "./job-policies";
import type { KubernetesSide, SeenJob } from "./kubernetes-side";
import type { FaultRow } from "./row";
import { QUEUE, type FaultSystem } from "./system";

const BURST_SECONDS = 6;
const OVER_SECONDS = 150;
/** Longer than the dispatcher takes a refusal for a change under way. */
const LONG_SECONDS = 70;
const REFUSES_SECONDS = 20;
/** Until a change has reached a watch, on a busy machine. */
const KNOWN_MS = 5_000;
const NEXT_IMAGE = "registry.example/agent:next";
const PINNED = "pinned";

/** What can happen to the agents' namespace and what is in it. */
export const KUBERNETES_NAMESPACE_ROWS: readonly FaultRow[] = [
  {
    name: "kubernetes: Job quota full and freed",
    note: "the namespace takes a third as many Jobs as there are builds (count/jobs.batch), finished ones too; it is full for 70 s, then finished Jobs are removed as their TTL does it",
    timeScale: 1,
    harm: async (system, builds) => {
      const { kubernetes } = system;
      const most = Math.ceil(builds / 3);
      await createQuota(kubernetes, most, system.signal);
      await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(LONG_SECONDS)]);
      const jobs = await kubernetes.jobs();
      if (jobs.length !== most || !jobs.every(isFinished)) {
        system.complaints.push(`${jobs.length} Jobs under a quota of ${most} after ${LONG_SECONDS} s`);
      }
      const healing = Date.now();
      for (const end = Date.now() + OVER_SECONDS * 1000; !system.isOver() && Date.now() < end;) {
        for (const job of (await kubernetes.jobs()).filter(isFinished)) {
          await kubernetes.deleteJob(job.metadata.name, "Background");
        }
        await system.wait(1);
      }
      return healing;
    },
  },
  {
    name: "kubernetes: template changed mid-burst",
    note: "the PodTemplate gets another image in the middle of a burst, with the stack's admission policies in force",
    timeScale: 1,
    harm: async (system, builds) => {
      const { kubernetes } = system;
      const old = await kubernetes.template();
      const policies = await createJobPolicies(kubernetes, QUEUE, QUEUE, system.signal);
      try {
        const third = Math.floor(builds / 3);
        await system.schedule(third, BURST_SECONDS / 3);
        const running = await kubernetes.jobs();
        const [next] = await Promise.all([changeImage(kubernetes), system.schedule(third, BURST_SECONDS / 3)]);
        const changedAt = Date.now();
        await system.schedule(builds - 2 * third, BURST_SECONDS / 3);
        await system.untilOver(OVER_SECONDS);
        complainOfSpecs(system, await kubernetes.jobs(), running, [old, next], changedAt);
      } finally {
        await policies.remove();
      }
      return undefined;
    },
  },
  {
    name: "kubernetes: a policy refuses for 20 s",
    note: "after a change of the PodTemplate the stack's own policy compares Jobs with the old one for 20 s more, so every Job is refused",
    timeScale: 1,
    harm: async (system, builds) => {
      const { kubernetes } = system;
      const old = await kubernetes.template();
      const templates = kubernetes.agents.templatePath.replace(/\/[^/]+$/, "");
      const { annotations } = old.metadata;
      await kubernetes.admin.request("POST", templates, {
        body: { metadata: { name: PINNED, annotations }, template: old.template },
      });
      const policies = await createJobPolicies(kubernetes, QUEUE, PINNED, system.signal);
      try {
        await system.schedule(Math.floor(builds / 2), BURST_SECONDS / 2);
        const running = await kubernetes.jobs();
        const next = await changeImage(kubernetes);
        const changedAt = Date.now();
        await Promise.all([system.schedule(Math.ceil(builds / 2), BURST_SECONDS / 2), system.wait(REFUSES_SECONDS)]);
        complainOfNoRefusal(system);
        await kubernetes.patch(`${templates}/${PINNED}`, { template: next.template });
        const healing = Date.now();
        await system.untilOver(OVER_SECONDS);
        complainOfSpecs(system, await kubernetes.jobs(), running, [old, next], changedAt);
        return healing;
      } finally {
        await policies.remove();
      }
    },
  },
  {
    name: "kubernetes: namespace recreated",
    note: "the agents' namespace is deleted with all that is in it in the middle of a burst, and made anew once it has been gone for 70 s, as pulumi up --refresh would do it; Pulumi itself is not in it",
    timeScale: 1,
    killsBuilds: true,
    harm: async (system, builds) => {
      const { kubernetes } = system;
      const path = `/api/v1/namespaces/${kubernetes.namespace}`;
      const burst = inBackground(system.schedule(builds, BURST_SECONDS));
      await system.wait(BURST_SECONDS / 2);
      await kubernetes.admin.request("DELETE", path);
      await burst;
      await untilGone(kubernetes, path, system.signal);
      await system.wait(LONG_SECONDS);
      await kubernetes.agents.restore();
      await kubernetes.prepare(system.signal);
      return Date.now();
    },
  },
];

async function createQuota(kubernetes: KubernetesSide, most: number, signal: AbortSignal): Promise<void> {
  const path = `/api/v1/namespaces/${kubernetes.namespace}/resourcequotas`;
  const hard = { "count/jobs.batch": String(most) };
  await kubernetes.admin.request("POST", path, { body: { metadata: { name: "jobs" }, spec: { hard } } });
  // Until the first count the API server refuses everything, in other words than those of a full quota.
  interface Quota {
    readonly status?: { readonly hard?: Readonly<Record<string, string>> };
  }
  while (!isDeepStrictEqual((await kubernetes.find<Quota>(`${path}/jobs`))?.status?.hard, hard)) {
    await sleep(50, undefined, { signal });
  }
}

/** Another image for the agent; returns the PodTemplate as it is then. */
async function changeImage(kubernetes: KubernetesSide): Promise<PodTemplateObject> {
  const { template } = await kubernetes.template();
  const { containers } = template.spec as { readonly containers: readonly { readonly name: string }[] };
  const changed = containers.map((one) => (one.name === AGENT_CONTAINER ? { ...one, image: NEXT_IMAGE } : one));
  return await kubernetes.patch(kubernetes.agents.templatePath, { template: { spec: { containers: changed } } });
}

/** Each Job is of one of the two templates, both are seen; Jobs that ran keep theirs, and late ones have the new one. */
function complainOfSpecs(
  { complaints }: FaultSystem,
  jobs: readonly SeenJob[],
  running: readonly SeenJob[],
  [old, next]: readonly [PodTemplateObject, PodTemplateObject],
  changedAt: number,
): void {
  const isOf = ({ spec }: SeenJob, { template }: PodTemplateObject): boolean =>
    isDeepStrictEqual(spec.template.spec, template.spec);
  const [ofOld, ofNext] = [jobs.filter((job) => isOf(job, old)), jobs.filter((job) => isOf(job, next))];
  const uids = new Set(ofOld.map(({ metadata }) => metadata.uid));
  const stale = ofOld.filter(({ metadata }) => Date.parse(metadata.creationTimestamp) > changedAt + KNOWN_MS);
  const said: [boolean, string][] = [
    [
      ofOld.length === 0 || ofNext.length === 0,
      `${ofOld.length} Jobs of the old template, ${ofNext.length} of the new`,
    ],
    [ofOld.length + ofNext.length !== jobs.length, "there are Jobs of neither template"],
    [running.some(({ metadata }) => !uids.has(metadata.uid)), "a Job that ran did not keep its template"],
    [stale.length > 0, `${stale.length} Jobs got the old template long after it was changed`],
  ];
  complaints.push(...said.filter(([isWrong]) => isWrong).map(([, words]) => words));
}

function complainOfNoRefusal({ replicas, complaints }: FaultSystem): void {
  if (!replicas.log().some((line) => line["event"] === "waiting" && line["cause"] === "refusal")) {
    complaints.push("no Job was refused: the row did no harm");
  }
}

async function untilGone(kubernetes: KubernetesSide, path: string, signal: AbortSignal): Promise<void> {
  while ((await kubernetes.find(path)) !== undefined) {
    await sleep(250, undefined, { signal });
  }
}
