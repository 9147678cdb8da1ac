import { randomBytes } from "node:crypto";
import type { BuildRequest, FakeJob } from "./job";
import type { SeededRandom } from "./seeded-random";

/** A job in a build of its own, in its first state, now. */
export function newJob(build: BuildRequest, buildNumber: number, random: SeededRandom): FakeJob {
  const state = build.state ?? "scheduled";
  const now = Date.now();
  return {
    id: random.uuid(),
    buildId: random.uuid(),
    buildNumber,
    pipeline: build.pipeline ?? "web",
    queue: build.queue,
    priority: build.priority ?? 0,
    agentQueryRules: [`queue=${build.queue}`, ...(build.agentQueryRules ?? [])],
    // A real agent runs this; a simulated one reads it.
    command: build.command ?? `sleep ${build.seconds ?? 0}; exit ${build.exitStatus ?? 0}`,
    repository: build.repository,
    commit: build.commit ?? "HEAD",
    branch: build.branch ?? "main",
    env: build.env ?? {},
    state,
    history: [{ state, at: now }],
    token: `bkjt_${randomBytes(16).toString("hex")}`,
    scheduledAt: now,
    starts: 0,
    refusals: 0,
    notifications: [],
    webhooks: [],
    laterWebhooks: [],
    chunks: new Map(),
  };
}
