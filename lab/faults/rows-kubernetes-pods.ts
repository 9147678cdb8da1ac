import { jobName, JOB_UUID } from "../../components/contract";
import { MOST_EXHAUSTED } from "../../dispatcher/buildkite/attempts";
import type { Pod } from "../../dispatcher/kubernetes/objects";
import { MOST_ATTEMPTS } from "../../dispatcher/patience";
import type { FakeJob } from "../buildkite";
import { until } from "../waiting";
import { createEarlierInstallation, createFinishedJob } from "./earlier-installation";
import type { SeenJob } from "./kubernetes-side";
import { interrupted } from "./outcomes";
import type { FaultRow } from "./row";
import { QUEUE, RECONCILE_SECONDS, type FaultSystem } from "./system";

const BURST_SECONDS = 5;
const OVER_SECONDS = 150;
/** Until every replica has listed. */
const LISTED_SECONDS = RECONCILE_SECONDS * 1.2;
/** Three attempts with their waits of 10 and 20 s, each on the next list. */
const EXHAUSTED_SECONDS = 240;
/** Longer than what is done to it meanwhile. */
const LONG_BUILD_SECONDS = 90;
const EARLIER_ATTEMPTS = 5;
const AGENT_LOST_SECONDS = 180;
const LOST_SCALE = 2;
/** Kubernetes removes the pods of a node that is gone after 40 to 60 s. */
const PODS_GONE_SECONDS = 90;

/** What can happen to Jobs, pods and nodes. */
export const KUBERNETES_POD_ROWS: readonly FaultRow[] = [
  {
    name: "kubernetes: wrong agent token for a queue",
    note: "agents are refused until both replicas have stopped the queue; the rest of the builds comes then, and gets no pod; the token is put right and the dispatcher restarted; who had three pods by then is given up",
    timeScale: 1,
    limitSeconds: 900,
    harm: async (system, builds) => {
      const { kubernetes, replicas } = system;
      await kubernetes.setAgentToken("bkct_of-another-cluster");
      const tried = await scheduleUntilStopped(system, builds);
      await system.schedule(builds - tried.length, BURST_SECONDS);
      await system.wait(2 * LISTED_SECONDS);
      const { podsPerJob } = system.overlap;
      const isTried = (id: string): boolean => tried.some((job) => job.id === id);
      const others = [...podsPerJob.keys()].filter((id) => !isTried(id)).length;
      if (others > 0) {
        system.complaints.push(`${others} builds got a pod though their queue was stopped`);
      }
      system.mayBeGivenUp = tried.filter(({ id }) => podsPerJob.get(id) === MOST_ATTEMPTS).length;
      await kubernetes.setAgentToken();
      await replicas.end("SIGTERM", 0, 1);
      await replicas.start(0, 1);
      const healing = Date.now();
      await system.untilOver(OVER_SECONDS);
      complainOfGivenUp(system);
      return healing;
    },
  },
  {
    name: "kubernetes: leftovers of earlier installations",
    note: "before the builds there are 24 Jobs with our labels, live and finished, of a queue that is gone and of ours, from templates that are gone, and 6 of somebody else; of five builds there is a finished Job already",
    timeScale: 1,
    harm: async (system, builds) => {
      const { fake } = system;
      // Whether one unknown id makes Buildkite refuse them all is not documented: the harder of the two.
      await fake.setFaults({ unknownJobs: "not-found" });
      const earlier = await createEarlierInstallation(system);
      const anew = Math.min(EARLIER_ATTEMPTS, builds);
      for (let count = 0; count < anew; count += 1) {
        const { id, pipeline } = fake.schedule({ queue: QUEUE, seconds: 1, state: "limited" });
        await createFinishedJob(system, { uuid: id, queue: QUEUE, pipeline });
        fake.release(id);
      }
      await system.schedule(builds - anew, BURST_SECONDS);
      await system.untilOver(OVER_SECONDS);
      // The loops that look for what is to be removed have come round by then.
      await system.wait(2 * LISTED_SECONDS);
      system.complaints.push(...(await earlier.changes()));
      return undefined;
    },
  },
  {
    name: "kubernetes: node gone under running builds",
    note: "one of two nodes is deleted while a third of the builds runs and another third gets its pods, its agents die with it; Kubernetes removes its pods later, then Buildkite gives its agents up for lost (3 minutes, scaled)",
    timeScale: LOST_SCALE,
    killsBuilds: true,
    limitSeconds: 480,
    setting: { capacity: (builds) => 4 * builds, agentLostAfterSeconds: AGENT_LOST_SECONDS / LOST_SCALE },
    harm: async (system, builds) => {
      const { kubernetes, agents } = system;
      const third = Math.floor(builds / 3);
      const long = scheduleLong(system, third);
      await untilRunning(system, long);
      // All at once, so that some have a pod there whose agent has not come yet.
      await system.schedule(third, 0);
      await system.untilPods(third + Math.ceil(third / 2));
      const node = await nodeOf(system, long);
      await kubernetes.admin.request("DELETE", `/api/v1/nodes/${node}`);
      agents.loseNode(node);
      const goneAt = Date.now();
      await system.schedule(builds - 2 * third, BURST_SECONDS);
      await system.untilOver(PODS_GONE_SECONDS + AGENT_LOST_SECONDS / LOST_SCALE + OVER_SECONDS);
      complainOfLost(system, long);
      return goneAt;
    },
  },
  {
    name: "kubernetes: Job deleted by hand",
    note: "a quarter of the Jobs is deleted while no node takes their pods, a quarter while their builds run; half of each with --cascade=orphan, so that their pods stay",
    timeScale: 1,
    killsBuilds: true,
    setting: { capacity: (builds) => 4 * builds, podGraceMs: 60_000 },
    harm: async (system, builds) => {
      const { fake } = system;
      const quarter = Math.floor(builds / 4);
      await setNodesOpen(system, false);
      await system.schedule(quarter, 1);
      await system.untilPods(quarter);
      const pending = fake.jobs();
      // One after the other, so that lists come between: the next Job of a build is asked for at once.
      await deleteJobs(system, pending, LISTED_SECONDS);
      await system.wait(2 * LISTED_SECONDS);
      await setNodesOpen(system, true);
      const running = scheduleLong(system, quarter);
      await untilRunning(system, running);
      await deleteJobs(system, running, 0);
      await system.schedule(builds - 2 * quarter, BURST_SECONDS);
      await system.untilOver(OVER_SECONDS);
      const ended = interrupted(fake.jobs());
      if (ended.length !== running.length || !ended.every((job) => running.includes(job))) {
        system.complaints.push(
          `${ended.length} builds were interrupted, not the ${running.length} whose Jobs were deleted`,
        );
      }
      const kept = running.filter(({ id }) => (system.overlap.podsPerJob.get(id) ?? 0) !== 1).length;
      if (kept > 0) {
        system.complaints.push(`${kept} builds that ran got another pod`);
      }
      return undefined;
    },
  },
];

/** Builds that run until something is done to them. */
function scheduleLong({ fake }: FaultSystem, builds: number): FakeJob[] {
  return Array.from({ length: builds }, () => fake.schedule({ queue: QUEUE, seconds: LONG_BUILD_SECONDS }));
}

async function untilRunning({ signal }: FaultSystem, jobs: readonly FakeJob[]): Promise<void> {
  await until("the builds to run", 60, signal, () => jobs.every(({ state }) => state === "running"));
}

/** Schedules builds, a few more each time, until each replica has stopped the queue; returns those that took. */
async function scheduleUntilStopped(system: FaultSystem, builds: number): Promise<FakeJob[]> {
  const { fake, replicas, signal } = system;
  const areStopped = (): boolean => replicas.log().filter((line) => line["event"] === "queue stopped").length === 2;
  const areOver = (): boolean => fake.jobs().every(({ state }) => state === "finished");
  for (let batch = 4 * MOST_EXHAUSTED; !areStopped(); batch = MOST_EXHAUSTED) {
    if (fake.jobs().length + batch > builds) {
      system.complaints.push(`${fake.jobs().length} builds in vain did not make both replicas stop the queue`);
      break;
    }
    await system.schedule(batch, 0);
    await until("the queue to be stopped", EXHAUSTED_SECONDS, signal, () => areStopped() || areOver());
  }
  return fake.jobs();
}

function complainOfGivenUp({ fake, overlap, complaints }: FaultSystem): void {
  const given = fake.jobs().filter(({ stackFinish }) => stackFinish !== undefined);
  const unexplained = given.filter(({ stackFinish }) => !/agent token/.test(stackFinish?.detail ?? "")).length;
  const more = [...overlap.podsPerJob.values()].filter((pods) => pods > MOST_ATTEMPTS).length;
  if (unexplained > 0) {
    complaints.push(`${unexplained} jobs were given up without the cause`);
  }
  if (more > 0) {
    complaints.push(`${more} builds got more than ${MOST_ATTEMPTS} pods`);
  }
}

/** Those that ran on the node failed as lost, and only those; none got another pod. */
function complainOfLost({ fake, overlap, complaints }: FaultSystem, long: readonly FakeJob[]): void {
  const ended = interrupted(fake.jobs());
  const lost = ended.filter(({ result }) => result?.signalReason === "agent_lost");
  if (!lost.some((job) => long.includes(job)) || lost.length !== ended.length) {
    complaints.push(`${lost.length} builds were lost with their node, ${ended.length} interrupted`);
  }
  const again = lost.filter(({ id }) => (overlap.podsPerJob.get(id) ?? 0) > 1).length;
  if (again > 0) {
    complaints.push(`${again} builds whose agent was lost got another pod`);
  }
}

/** A node that runs some of these. */
async function nodeOf({ kubernetes }: FaultSystem, jobs: readonly FakeJob[]): Promise<string> {
  const { admin, agents } = kubernetes;
  const labelSelector = `${JOB_UUID} in (${jobs.map(({ id }) => id).join(",")})`;
  const { items } = await admin.request<{ items: Pod[] }>("GET", agents.podsPath, { query: { labelSelector } });
  const node = items[0]?.spec?.nodeName;
  if (node === undefined) {
    throw new Error("no pod of the long builds has a node");
  }
  return node;
}

/** Whether nodes take new pods: what kubectl uncordon and cordon do. */
async function setNodesOpen({ kubernetes }: FaultSystem, isOpen: boolean): Promise<void> {
  for (const node of [0, 1]) {
    await kubernetes.patch(`/api/v1/nodes/${kubernetes.namespace}-${node}`, { spec: { unschedulable: !isOpen } });
  }
}

/** Every second one with its pod, the others without; returns once these very Jobs are gone. */
async function deleteJobs(system: FaultSystem, jobs: readonly FakeJob[], overSeconds: number): Promise<void> {
  const { kubernetes } = system;
  const names = new Set(jobs.map(({ id }) => jobName(id)));
  const uids = (await kubernetes.jobs()).filter(({ metadata }) => names.has(metadata.name)).map(uidOf);
  for (const [index, { id }] of jobs.entries()) {
    await kubernetes.deleteJob(jobName(id), index % 2 === 0 ? "Background" : "Orphan");
    await system.wait(overSeconds / jobs.length);
  }
  while ((await kubernetes.jobs()).map(uidOf).some((uid) => uids.includes(uid))) {
    await system.wait(0.25);
  }
}

function uidOf({ metadata }: SeenJob): string {
  return metadata.uid;
}
