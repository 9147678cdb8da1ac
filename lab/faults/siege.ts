import { readdir, readlink } from "node:fs/promises";
import { inBackground } from "../in-background";
import { notServed } from "./failed-webhooks";
import { SlowClients } from "./slow-clients";
import type { FaultSystem } from "./system";

/** Jobs that the dispatcher holds in this row: its bound on connections is the lower for it. */
export const BUFFER_SIZE = 100;
/** `bufferSize` and 512. */
const BOUND = BUFFER_SIZE + 512;
/** A dispatcher's other sockets: to the API server and Buildkite, and what is being closed. */
const OTHER_SOCKETS = 100;
const CLIENTS_EACH = 800;
const SIEGE_SECONDS = 30;
/** The dispatcher gives a request 10 s and looks once a second; the rest is for a busy machine. */
const LONGEST_MS = 20_000;
/**
 * Bodies of all connections together are bound to 32 MiB; the rest is what sockets take, and the garbage that V8 lets lie
 * before it looks. Unbound bodies would take 267 MiB at least.
 */
const MOST_MORE_MIB = 160;
/** In the second half, when all of that has long been had once. */
const MOST_GROWTH_MIB = 32;

/** Real builds come while slow clients fill the webhook port of both replicas. */
export async function besiege(system: FaultSystem, builds: number): Promise<undefined> {
  const { fake, replicas, complaints, notes, options } = system;
  const clients = new SlowClients(options.seed);
  const before = await replicas.measure();
  let half = before;
  let most = 0;
  let counting: Promise<void> | undefined;
  const count = async (): Promise<void> => {
    const open = await Promise.all(replicas.list().map(({ pid }) => socketsOf(pid)));
    most = Math.max(most, ...open);
  };
  const timer = setInterval(() => {
    counting = count();
  }, 1_000);
  try {
    clients.start(replicas.urls(), CLIENTS_EACH);
    const burst = inBackground(system.schedule(builds, SIEGE_SECONDS - 5));
    await system.wait(SIEGE_SECONDS / 2);
    half = await replicas.measure();
    await Promise.all([burst, system.wait(SIEGE_SECONDS / 2)]);
    await fake.settled();
  } finally {
    clearInterval(timer);
    await counting;
    clients.stop();
  }
  const peak = await replicas.measure();
  const more = peak - before;
  const oldest = clients.oldestMs();
  notes.push(
    `${clients.dropped} connections dropped, the longest after ${(oldest / 1000).toFixed(1)} s, ` +
      `at most ${most} sockets and ${more} MiB more in one dispatcher`,
  );
  complaints.push(...notServed(fake));
  if (oldest > LONGEST_MS) {
    complaints.push(`a slow client was let be for ${(oldest / 1000).toFixed(1)} s`);
  }
  if (most > BOUND + OTHER_SOCKETS) {
    complaints.push(`a dispatcher had ${most} sockets open, its bound is ${BOUND} connections`);
  }
  if (more > MOST_MORE_MIB) {
    complaints.push(`a dispatcher took ${more} MiB more, with at most 32 MiB of bodies`);
  }
  if (peak - half > MOST_GROWTH_MIB) {
    complaints.push(`a dispatcher's memory grew by ${peak - half} MiB in the second half`);
  }
  return undefined;
}

async function socketsOf(pid: number): Promise<number> {
  const files = await readdir(`/proc/${pid}/fd`).catch((): string[] => []);
  const targets = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => "")));
  return targets.filter((target) => target.startsWith("socket:")).length;
}
