import type { SeededRandom } from "../../buildkite";
import { webhookBody } from "../../buildkite/webhook-bodies";

/** A moment that is always the same, so that equal seeds give equal bytes. */
const SCHEDULED_AT = Date.UTC(2026, 10, 20, 3, 30);
const CLUSTER = "42f1a7da-812d-4430-93d8-1cc7c33a6bcf";

/** The body of a `job.scheduled` for a job of that queue which nobody has scheduled. */
export function genuineBody(queue: string, random: SeededRandom): Record<string, unknown> {
  const job = {
    ...{ id: random.uuid(), buildId: random.uuid(), buildNumber: random.integer(1, 9_999), pipeline: "web", queue },
    ...{ command: "true", repository: undefined, commit: "HEAD", branch: "main", env: {} },
    ...{ agentQueryRules: [`queue=${queue}`], state: "scheduled" as const, token: "", scheduledAt: SCHEDULED_AT },
    ...{ starts: 0, refusals: 0, webhooks: [], laterWebhooks: [], chunks: new Map<number, Buffer>() },
  };
  const organization = { slug: "acme-inc", clusterId: CLUSTER, queueIds: new Map<string, string>() };
  return webhookBody("job.scheduled", job, organization, { buildEnv: "a-value", inboundUrl: "another-value" });
}
