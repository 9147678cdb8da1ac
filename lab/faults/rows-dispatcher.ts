import { notServed } from "./failed-webhooks";
import { rotateSecret } from "./rotate-secret";
import type { FaultRow } from "./row";
import { crowdUnderLimit, LIMIT_MIB } from "./crowd";
import type { FaultSystem } from "./system";

const BURST_SECONDS = 3;
const ROLLING_BURST_SECONDS = 8;
const UNDER_WAY_SECONDS = 0.005;
const PAUSE_SECONDS = 60;
const PAUSE_SCALE = 3;
/** Long enough for webhooks to be under way and Jobs to be being created, too short for all of them. */
const KILL_AFTER_SECONDS = 0.15;
/** A kubelet starts a killed container again at once, the first time; Node takes its time to be ready. */
const RESTART_SECONDS = 2;

/** What can happen to the dispatcher's processes. */
export const DISPATCHER_ROWS: readonly FaultRow[] = [
  {
    name: "dispatcher: one replica killed",
    note: "SIGKILL to one of two while a third of the builds, scheduled at once, is being dispatched; a third comes without it; it is started again after 2 s",
    timeScale: 1,
    harm: (system, builds) => endMidBurst(system, builds, [0], "SIGKILL"),
  },
  {
    name: "dispatcher: both replicas killed",
    note: "SIGKILL to both while a third of the builds, scheduled at once, is being dispatched; another third comes while both are gone; they are started again after 2 s",
    timeScale: 1,
    harm: (system, builds) => endMidBurst(system, builds, [0, 1], "SIGKILL"),
  },
  {
    name: "dispatcher: SIGTERM during a burst",
    note: "one of two is told to end while a third of the builds is being dispatched, and started again 2 s after its end",
    timeScale: 1,
    harm: (system, builds) => endMidBurst(system, builds, [0], "SIGTERM"),
  },
  {
    name: "dispatcher: rolling update during a burst",
    note: "one after the other is replaced as a Deployment does it: the new one is ready before the old one is told to end, in the midst of a quarter of the builds that come at once; every webhook is served",
    timeScale: 1,
    harm: async (system, builds) => {
      const quarter = Math.floor(builds / 4);
      const roll = async (): Promise<void> => {
        for (const [fresh, old] of [
          [2, 0],
          [3, 1],
        ] as const) {
          await system.replicas.start(fresh);
          await system.schedule(quarter, 0);
          // Under way, but not answered yet.
          await system.wait(UNDER_WAY_SECONDS);
          system.replicas.takeOut(old);
          await system.replicas.end("SIGTERM", old);
        }
      };
      await Promise.all([system.schedule(builds - 2 * quarter, ROLLING_BURST_SECONDS), roll()]);
      await system.fake.settled();
      system.complaints.push(...notServed(system.fake));
      return undefined;
    },
  },
  {
    name: "dispatcher: paused for 60 s",
    note: "SIGSTOP to one of two at the start of a burst, SIGCONT 60 s later; its webhooks time out",
    timeScale: PAUSE_SCALE,
    harm: async (system, builds) => {
      system.replicas.pause(0);
      try {
        await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(PAUSE_SECONDS / PAUSE_SCALE)]);
      } finally {
        system.replicas.resume(0);
      }
      return undefined;
    },
  },
  {
    name: "dispatcher: webhook secret rotated",
    note: "the mounted Secret gets a second secret, Buildkite signs with it, the first one goes, all during a burst; one replica's files change later than the other's",
    timeScale: 1,
    harm: async (system, builds) => {
      await rotateSecret(system, builds);
      return undefined;
    },
  },
  {
    name: `dispatcher: ${LIMIT_MIB} MiB and 10,000 scheduled jobs`,
    note: "33 times as many jobs as builds are scheduled at 300 a second, webhooks and all, with a cap of a third of the builds; those that have not begun when both replicas have listed all of them are canceled",
    timeScale: 1,
    limitSeconds: 900,
    setting: { memoryMiB: LIMIT_MIB, inFlight: (builds) => Math.ceil(builds / 3) },
    harm: crowdUnderLimit,
  },
];

/** A third of the builds over some time, a third at once into the kill, a third while the killed ones are gone. */
async function endMidBurst(
  system: FaultSystem,
  builds: number,
  killed: readonly number[],
  signal: "SIGTERM" | "SIGKILL",
): Promise<number> {
  const third = Math.floor(builds / 3);
  await system.schedule(third, BURST_SECONDS);
  await system.schedule(third, 0);
  await system.wait(KILL_AFTER_SECONDS);
  await system.replicas.end(signal, ...killed);
  await Promise.all([system.schedule(builds - 2 * third, RESTART_SECONDS), system.wait(RESTART_SECONDS)]);
  await system.replicas.start(...killed);
  return Date.now();
}
