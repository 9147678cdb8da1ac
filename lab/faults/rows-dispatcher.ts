import type { FaultRow } from "./row";
import type { FaultSystem } from "./system";

const BURST_SECONDS = 6;
/** A kubelet starts a killed container again at once, the first time; Node takes its time to be ready. */
const RESTART_SECONDS = 2;

/** What can happen to the dispatcher's processes. */
export const DISPATCHER_ROWS: readonly FaultRow[] = [
  {
    name: "dispatcher: one replica killed",
    note: "SIGKILL to one of two in the middle of a burst; it is started again after 2 s",
    timeScale: 1,
    harm: (system, builds) => killMidBurst(system, builds, [0]),
  },
  {
    name: "dispatcher: both replicas killed",
    note: "SIGKILL to both in the middle of a burst; they are started again after 2 s; webhooks of that time are lost",
    timeScale: 1,
    harm: (system, builds) => killMidBurst(system, builds, [0, 1]),
  },
];

/** From when the killed ones are back. */
async function killMidBurst(system: FaultSystem, builds: number, killed: readonly number[]): Promise<number> {
  const burst = system.schedule(builds, BURST_SECONDS);
  const harm = async (): Promise<number> => {
    await system.wait(BURST_SECONDS / 2);
    await system.replicas.end("SIGKILL", ...killed);
    await system.wait(RESTART_SECONDS);
    await system.replicas.start(...killed);
    return Date.now();
  };
  const [healing] = await Promise.all([harm(), burst]);
  return healing;
}
