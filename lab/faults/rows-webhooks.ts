import { Agent } from "node:http";
import { postWebhook, signedWebhook } from "../bench/webhooks";
import { inBackground } from "../in-background";
import { notServed } from "./failed-webhooks";
import { fuzz } from "./fuzz/fuzz";
import { besiege, BUFFER_SIZE } from "./siege";
import type { FaultRow } from "./row";
import type { FaultSystem } from "./system";

/** The builds of a burst come one by one over this time. */
const BURST_SECONDS = 5;
const OVER_SECONDS = 120;
/** Far beyond the five minutes that a signature is good for. */
const RECORDED_SECONDS = 3_600;
const LATE_SECONDS = 600;
const LATE_SCALE = 15;
const FLOOD_CONNECTIONS = 32;

/** What can happen to webhooks on their way. */
export const WEBHOOK_ROWS: readonly FaultRow[] = [
  {
    name: "webhooks: all lost",
    note: "no webhook ever arrives",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ webhookDropShare: 1 });
      await system.schedule(builds, BURST_SECONDS);
      return undefined;
    },
  },
  {
    name: "webhooks: half lost",
    note: "half of the webhooks never arrive, which half is chance",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ webhookDropShare: 0.5 });
      await system.schedule(builds, BURST_SECONDS);
      return undefined;
    },
  },
  {
    name: "webhooks: each three times",
    note: "each webhook is sent three times at once, so both replicas get it",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ webhookCopies: 3 });
      await system.schedule(builds, BURST_SECONDS);
      await system.fake.settled();
      system.complaints.push(...notServed(system.fake));
      return undefined;
    },
  },
  {
    name: "webhooks: reordered",
    note: "webhooks, those of starts and ends among them, arrive in groups of up to 50, each in an order of chance",
    timeScale: 1,
    harm: async (system, builds) => {
      await system.fake.setFaults({ webhookShuffle: 50 });
      await system.schedule(builds, BURST_SECONDS);
      return undefined;
    },
  },
  {
    name: "webhooks: damaged on the way",
    note: "the webhooks of two thirds of the builds arrive with another byte or cut short; those of the last third are sound again",
    timeScale: 1,
    harm: async (system, builds) => {
      const { fake } = system;
      const damaged = Math.ceil((builds * 2) / 3);
      await fake.setFaults({ webhookCorruptShare: 1 });
      await system.schedule(damaged, BURST_SECONDS);
      await fake.settled();
      const refused = fake.jobs().filter(({ webhooks }) => webhooks[0]?.status === 401).length;
      if (refused < damaged) {
        system.complaints.push(`${damaged - refused} damaged webhooks were not answered 401`);
      }
      // The ends of builds are told by webhooks, too.
      await fake.setFaults({ webhookCorruptShare: 0 });
      await system.schedule(builds - damaged, BURST_SECONDS);
      await fake.settled();
      const { failedWebhooks } = fake.summary();
      if (failedWebhooks > refused) {
        system.complaints.push(`${failedWebhooks - refused} sound webhooks were not served`);
      }
      return undefined;
    },
  },
  {
    name: "webhooks: for jobs already canceled",
    note: "webhooks come 2 s late; every second job is canceled before its own arrives",
    timeScale: 1,
    harm: async (system, builds) => {
      const { fake } = system;
      await fake.setFaults({ webhookDelayMs: 2_000 });
      let count = 0;
      const stopListening = fake.on("job", (job, moment) => {
        count += moment === "scheduled" ? 1 : 0;
        if (moment === "scheduled" && count % 2 === 0) {
          // Not inside the scheduling itself: the webhook must tell of a job that was scheduled.
          setImmediate(() => {
            fake.cancel(job.id);
          });
        }
      });
      await system.schedule(builds, BURST_SECONDS).finally(stopListening);
      return undefined;
    },
  },
  {
    name: "webhooks: replayed old ones",
    note: "once all builds are over, each one's webhook comes again: signed an hour ago, then with a signature of now",
    timeScale: 1,
    harm: async (system, builds) => {
      const { fake } = system;
      await system.schedule(builds, BURST_SECONDS);
      await system.untilOver(OVER_SECONDS);
      const pods = podsOf(system);
      for (const job of fake.jobs()) {
        fake.replayWebhook(job.id, RECORDED_SECONDS);
      }
      await fake.settled();
      const taken = fake.jobs().filter(({ webhooks }) => (webhooks.at(-1)?.status ?? 0) < 400);
      if (taken.length > 0) {
        system.complaints.push(`${taken.length} webhooks signed an hour ago were not refused`);
      }
      for (const job of fake.jobs()) {
        fake.repeatWebhook(job.id);
      }
      await fake.settled();
      await system.wait(2);
      if (podsOf(system) > pods) {
        system.complaints.push(`${podsOf(system) - pods} pods were made for builds that were over`);
      }
      return undefined;
    },
  },
  {
    name: "webhooks: 10 minutes late",
    note: "each webhook comes 10 minutes after its build was scheduled, when the build has long been found and is over",
    timeScale: LATE_SCALE,
    harm: async (system, builds) => {
      await system.fake.setFaults({ webhookDelayMs: (LATE_SECONDS * 1000) / LATE_SCALE });
      await system.schedule(builds, BURST_SECONDS);
      await system.fake.settled();
      return undefined;
    },
  },
  {
    name: "webhooks: slow clients",
    note: "800 clients per replica say nothing, or send headers or bodies byte by byte or without end, and come again when dropped, while real webhooks come",
    timeScale: 1,
    setting: { bufferSize: BUFFER_SIZE },
    harm: besiege,
  },
  {
    name: "webhooks: 100,000 mutated bodies",
    note: "a seeded fuzzer changes the bytes, values, headers and signatures of genuine webhooks, 333 for each build that comes in between; more than half of them carry a right signature; no 5xx, and no Job but for the builds",
    timeScale: 1,
    limitSeconds: 2_400,
    harm: fuzz,
  },
  {
    name: "webhooks: a flood with wrong signatures",
    note: "32 connections send bodies signed with another secret as fast as they are answered, while real webhooks come",
    timeScale: 1,
    harm: async (system, builds) => {
      let isOn = true;
      const connections = Array.from({ length: FLOOD_CONNECTIONS }, () => floodWith(system, () => isOn));
      const flood = inBackground(Promise.all(connections));
      await system.schedule(builds, BURST_SECONDS);
      await system.fake.settled();
      isOn = false;
      system.complaints.push(...notServed(system.fake));
      const statuses = new Set((await flood).flatMap((some) => [...some]));
      if (statuses.size !== 1 || !statuses.has(401)) {
        system.complaints.push(`the flood was answered ${[...statuses].join(", ")}`);
      }
      return undefined;
    },
  },
];

/** One connection of the flood; returns the statuses that it met. */
async function floodWith(system: FaultSystem, isOn: () => boolean): Promise<Set<number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const statuses = new Set<number>();
  const forged = signedWebhook("not the secret");
  try {
    for (let turn = 0; isOn(); turn += 1) {
      system.signal.throwIfAborted();
      const urls = system.replicas.urls();
      statuses.add(await postWebhook(urls[turn % urls.length] ?? "", forged, agent));
    }
    return statuses;
  } finally {
    agent.destroy();
  }
}

function podsOf({ overlap }: FaultSystem): number {
  return [...overlap.podsPerJob.values()].reduce((sum, count) => sum + count, 0);
}
