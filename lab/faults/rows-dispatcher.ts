import type { FaultRow } from "./row";
import type { FaultSystem } from "./system";

const BURST_SECONDS = 3;
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
    harm: (system, builds) => killMidBurst(system, builds, [0]),
  },
  {
    name: "dispatcher: both replicas killed",
    note: "SIGKILL to both while a third of the builds, scheduled at once, is being dispatched; another third comes while both are gone; they are started again after 2 s",
    timeScale: 1,
    harm: (system, builds) => killMidBurst(system, builds, [0, 1]),
  },
];

/** A third of the builds over some time, a third at once into the kill, a third while the killed ones are gone. */
async function killMidBurst(system: FaultSystem, builds: number, killed: readonly number[]): Promise<number> {
  const third = Math.floor(builds / 3);
  await system.schedule(third, BURST_SECONDS);
  await system.schedule(third, 0);
  await system.wait(KILL_AFTER_SECONDS);
  await system.replicas.end("SIGKILL", ...killed);
  await Promise.all([system.schedule(builds - 2 * third, RESTART_SECONDS), system.wait(RESTART_SECONDS)]);
  await system.replicas.start(...killed);
  return Date.now();
}
