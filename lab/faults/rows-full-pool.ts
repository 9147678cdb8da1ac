import type { FaultRow } from "./row";
import { QUEUE, type FaultSystem } from "./system";

/** Builds for each place in the pool. */
const TIMES_CAPACITY = 10;
/** Nine times this is what the last builds wait: longer than any limit of the dispatcher but its hour for a name. */
const BUILD_SECONDS = 9;
/** What a template has by default: four hours for a build, and two for its pod to wait for a node. */
const TIMEOUT_SECONDS = 14_400;
const PENDING_SECONDS = 7_200;
const TIME_SCALE = 360;
const OVER_SECONDS = 330;
/** Until all webhooks have made their Jobs. */
const SETTLED_SECONDS = 5;
/** The dispatcher looks every 5 s, a fifth more or less. */
const CANCELED_SECONDS = 12;
/** The cap is soft: each replica keeps it for itself at once, and for both as soon as it sees the other's creates. */
const REPLICAS = 2;

const capacity = (builds: number): number => Math.ceil(builds / TIMES_CAPACITY);

/** Waiting for a full pool is never a failure. */
export const FULL_POOL_ROWS: readonly FaultRow[] = [
  {
    name: "kubernetes: full pool, the rest waits at Buildkite",
    note: "ten times as many builds of 9 s as the pool has places, scheduled at once, with a cap of as many Jobs as places, so that the last wait over 70 s; a tenth is canceled while it waits",
    timeScale: 1,
    limitSeconds: 420,
    setting: { capacity, inFlight: capacity },
    harm: (system, builds) => waitInLine(system, builds),
  },
  {
    name: "kubernetes: full pool, the rest waits as pods",
    note: "the same without such a cap, so that pods wait for a node, most of them longer than they may (2 h), many longer than their Job's whole time (6 h)",
    timeScale: TIME_SCALE,
    limitSeconds: 420,
    setting: {
      capacity,
      time: { buildSeconds: TIMEOUT_SECONDS / TIME_SCALE, pendingSeconds: PENDING_SECONDS / TIME_SCALE },
    },
    harm: (system, builds) => waitInLine(system, builds),
  },
];

async function waitInLine(system: FaultSystem, builds: number): Promise<number> {
  const { fake, overlap, notes, complaints, options } = system;
  const places = capacity(builds);
  const isCapped = options.setting?.inFlight !== undefined;
  for (let count = 0; count < builds; count += 1) {
    fake.schedule({ queue: QUEUE, seconds: BUILD_SECONDS });
  }
  let mostPending = 0;
  let mostActive = 0;
  const counting = setInterval(() => {
    const { pendingPods, activePods } = overlap.counts();
    mostPending = Math.max(mostPending, pendingPods);
    mostActive = Math.max(mostActive, activePods);
  }, 200);
  try {
    await cancelSome(system, places);
    await system.untilOver(OVER_SECONDS).catch((error: unknown) => {
      system.signal.throwIfAborted();
      complaints.push(error instanceof Error ? error.message : String(error));
    });
  } finally {
    clearInterval(counting);
  }
  notes.push(`${places} places, at most ${mostActive} pods on nodes and ${mostPending} waiting for one`);
  if (isCapped && mostPending > REPLICAS * places) {
    complaints.push(`${mostPending} pods waited for a node at one time, with a cap of ${places} Jobs`);
  }
  // The row is about nothing where nobody had to wait.
  if (!isCapped && mostPending < places) {
    complaints.push(`only ${mostPending} pods waited for a node at one time`);
  }
  return Date.now();
}

/** Those that came last wait for longest: they are canceled, and nothing of them may be left soon after. */
async function cancelSome(system: FaultSystem, count: number): Promise<void> {
  const { fake, jobsSeen, complaints } = system;
  await system.wait(SETTLED_SECONDS);
  const canceled = fake.jobs().slice(-count);
  for (const { id } of canceled) {
    fake.cancel(id);
  }
  await system.wait(CANCELED_SECONDS);
  const live = jobsSeen.live();
  const left = canceled.filter(({ id, state }) => state === "canceled" && live.has(id)).length;
  if (left > 0) {
    complaints.push(`${left} Jobs of canceled builds were there ${CANCELED_SECONDS} s later, waiting for a node`);
  }
}
