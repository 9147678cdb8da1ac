import { NO_FAULTS } from "../buildkite";
import type { FaultRow } from "./row";

/** Five minutes, divided by the row's factor. */
const OUTAGE_SECONDS = 300;
const OUTAGE_SCALE = 10;
const STORM_SECONDS = 20;
const HINT_SECONDS = 3;
const BURST_SECONDS = 5;
/** Two replicas that do as they are told ask a few kinds of question once per hint; four times that is a storm of their own. */
const CALLS_PER_HINT = 8;

/** What can happen at Buildkite. */
export const BUILDKITE_ROWS: readonly FaultRow[] = [
  {
    name: "buildkite: API down for 5 minutes",
    note: "every connection is refused, agents' too; half of the builds come just before, half when it is back without a webhook",
    timeScale: OUTAGE_SCALE,
    harm: async (system, builds) => {
      const { fake } = system;
      await fake.setFaults({ webhookDropShare: 0.5 });
      await system.schedule(Math.ceil(builds / 2), 2);
      await fake.setFaults({ outage: "refused" });
      await system.wait(OUTAGE_SECONDS / OUTAGE_SCALE);
      await fake.setFaults({ outage: "none", webhookDropShare: 1 });
      const healing = Date.now();
      await system.schedule(Math.floor(builds / 2), 2);
      return healing;
    },
  },
  {
    name: "buildkite: 429 storm",
    note: "every call of the Stacks API is answered 429 with Retry-After 3 for 20 s, and half of the webhooks are lost",
    timeScale: 1,
    harm: async (system, builds) => {
      const { fake } = system;
      const before = fake.stackCalls.total;
      await fake.setFaults({ tooManyRequests: true, retryAfterSeconds: HINT_SECONDS, webhookDropShare: 0.5 });
      const burst = system.schedule(builds, BURST_SECONDS);
      await system.wait(STORM_SECONDS);
      await burst;
      const calls = fake.stackCalls.total - before;
      await fake.setFaults(NO_FAULTS);
      const most = (STORM_SECONDS / HINT_SECONDS) * CALLS_PER_HINT;
      if (calls > most) {
        system.complaints.push(`${calls} calls in ${STORM_SECONDS} s of 429 with Retry-After ${HINT_SECONDS}`);
      }
      return Date.now();
    },
  },
];
