import { randomUUID } from "node:crypto";
import { Agent } from "node:http";
import { postWebhook, signedWebhook } from "../bench/webhooks";
import { until } from "../waiting";
import { notServed } from "./failed-webhooks";
import type { FaultSystem } from "./system";

const BURST_SECONDS = 24;
/** A dispatcher reads its files every 2 s. */
const NOTICED_SECONDS = 20;
/** Between the two replicas' files: kubelets of different nodes look at different times. */
const APART_SECONDS = 2;
/** Builds go on coming for a while with each state of the files. */
const HOLD_SECONDS = 3;

/**
 * Changes the webhook secret as the README tells a person to, while builds come: both are accepted, then Buildkite signs with
 * the new one, then the old one is taken away and must be refused.
 */
export async function rotateSecret(system: FaultSystem, builds: number): Promise<void> {
  const { fake, complaints, webhookSecret: old } = system;
  const fresh = randomUUID();
  const rotation = async (): Promise<void> => {
    await system.wait(HOLD_SECONDS);
    await expectAnswers(system, "before the change", [
      [old, 204],
      [fresh, 401],
    ]);
    await changeFiles(system, { current: fresh, previous: old });
    await expectAnswers(system, "with both in the files", [
      [old, 204],
      [fresh, 204],
    ]);
    fake.rotateWebhookSecret(fresh);
    await system.wait(HOLD_SECONDS);
    // What was signed with the old one is no longer under way.
    await fake.settled();
    await changeFiles(system, { current: fresh });
    await expectAnswers(system, "with the new one alone", [
      [old, 401],
      [fresh, 204],
    ]);
  };
  await Promise.all([system.schedule(builds, BURST_SECONDS), rotation()]);
  await fake.settled();
  complaints.push(...notServed(fake));
}

/** One replica after the other; returns once each has taken them. */
async function changeFiles(system: FaultSystem, secrets: Readonly<Record<string, string>>): Promise<void> {
  const { replicas, signal } = system;
  const accepted = Object.keys(secrets).length;
  const processes = replicas.list();
  await Promise.all(
    processes.map(async (process, index) => {
      await system.wait(index * APART_SECONDS);
      const before = process.log.length;
      await process.changeSecrets(secrets);
      await until(`replica ${index} to take ${accepted} webhook secrets`, NOTICED_SECONDS, signal, () =>
        process.log
          .slice(before)
          .some(({ event, accepted: now }) => event === "webhook secrets changed" && now === accepted),
      ).catch((error: unknown) => {
        signal.throwIfAborted();
        system.complaints.push(error instanceof Error ? error.message : String(error));
      });
    }),
  );
}

/** Sends each replica a webhook per secret; it is for a queue that is not served, so a right signature is answered 204. */
async function expectAnswers(
  { replicas, complaints }: FaultSystem,
  when: string,
  expected: readonly (readonly [secret: string, status: number])[],
): Promise<void> {
  const agent = new Agent();
  for (const [replica, url] of replicas.urls().entries()) {
    for (const [index, [secret, wanted]] of expected.entries()) {
      const status = await postWebhook(url, signedWebhook(secret), agent);
      if (status !== wanted) {
        const which = index === 0 ? "old" : "new";
        complaints.push(`${when}, replica ${replica} answered ${status} to the ${which} secret, not ${wanted}`);
      }
    }
  }
}
