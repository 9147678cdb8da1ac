import { NO_FAULTS } from "../buildkite";
import { inBackground } from "../in-background";
import type { FaultRow } from "./row";
import { QUEUE, RECONCILE_SECONDS } from "./system";

/** Five minutes, divided by the row's factor. */
const OUTAGE_SECONDS = 300;
const OUTAGE_SCALE = 10;
const STORM_SECONDS = 20;
const HINT_SECONDS = 3;
const BURST_SECONDS = 5;
/** Two replicas that do as they are told ask a few kinds of question once per hint; four times that is a storm of their own. */
const CALLS_PER_HINT = 8;
const SPELL_SECONDS = 20;
const LAG_SECONDS = 30;
const OVER_SECONDS = 150;
/** Until every replica has listed once more, with its jitter. */
const KNOWN_SECONDS = RECONCILE_SECONDS * 1.2 + 1;

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
      const burst = inBackground(system.schedule(builds, BURST_SECONDS));
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
  {
    name: "buildkite: 5xx",
    note: "seven of ten calls of the Stacks API are answered 500, 502 or 503 for 20 s, and half of the webhooks are lost",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ serverErrorShare: 0.7, webhookDropShare: 0.5 });
      await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(SPELL_SECONDS)]);
      await system.fake.setFaults(NO_FAULTS);
      return Date.now();
    },
  },
  {
    name: "buildkite: slow",
    note: "every call of the Stacks API takes 10 s longer for 40 s, and half of the webhooks are lost",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ slowMs: 10_000, webhookDropShare: 0.5 });
      await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(2 * SPELL_SECONDS)]);
      await system.fake.setFaults(NO_FAULTS);
      return Date.now();
    },
  },
  {
    name: "buildkite: lists lag behind",
    note: "lists show what was 30 s ago until 30 s after the last build, and half of the webhooks are lost: those wait the lag",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ listLagSeconds: LAG_SECONDS, webhookDropShare: 0.5 });
      await system.schedule(builds, BURST_SECONDS);
      await system.untilOver(OVER_SECONDS);
      // Until now they show builds as scheduled that are over.
      await system.wait(LAG_SECONDS);
      return undefined;
    },
  },
  {
    name: "buildkite: unknown states and fields",
    note: "answers have fields that nobody knows, three of ten jobs a state that nobody knows; half of the webhooks are lost",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ unknownStateShare: 0.3, unknownFields: true, webhookDropShare: 0.5 });
      await system.schedule(builds, BURST_SECONDS);
      return undefined;
    },
  },
  {
    name: "buildkite: dispatch paused and resumed",
    note: "the queue is paused, then all builds come with their webhooks; it is resumed 10 s later; none may start before",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ pausedQueues: [QUEUE] });
      await system.wait(KNOWN_SECONDS);
      await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(10)]);
      if (system.jobsSeen.latestAt.size > 0) {
        system.complaints.push(`${system.jobsSeen.latestAt.size} Jobs were made while the queue was paused`);
      }
      await system.fake.setFaults(NO_FAULTS);
      return Date.now();
    },
  },
  {
    name: "buildkite: clock off by 4 minutes",
    note: "webhooks are signed 4 minutes in the future: within the window, so all are taken",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ webhookClockSkewSeconds: 240 });
      await system.schedule(builds, BURST_SECONDS);
      await system.fake.settled();
      const { failedWebhooks } = system.fake.summary();
      if (failedWebhooks > 0) {
        system.complaints.push(`${failedWebhooks} webhooks were not taken`);
      }
      return undefined;
    },
  },
  {
    name: "buildkite: clock off by 10 minutes",
    note: "webhooks are signed 10 minutes in the past: all are refused, and every build is found in the list",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ webhookClockSkewSeconds: -600 });
      await system.schedule(builds, BURST_SECONDS);
      await system.fake.settled();
      const taken = system.fake.jobs().filter(({ webhooks }) => (webhooks[0]?.status ?? 0) < 400).length;
      if (taken > 0) {
        system.complaints.push(`${taken} webhooks were not refused`);
      }
      return undefined;
    },
  },
  {
    name: "buildkite: token revoked",
    note: "the agent token is refused for 20 s, the agents' own registrations too; then it is good again",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ tokenRevoked: true });
      await Promise.all([system.schedule(builds, BURST_SECONDS), system.wait(SPELL_SECONDS)]);
      await system.fake.setFaults(NO_FAULTS);
      return Date.now();
    },
  },
];
