export { FakeBuildkite, type FakeBuildkiteOptions } from "./fake-buildkite";
export type { AgentIntervals } from "./agent-api";
export type { FakeAgent } from "./agent";
export { logOf } from "./job-log";
export type { BuildRequest, FakeJob, FakeJobState, JobMoment, JobSummary, WebhookDelivery } from "./job";
export { SeededRandom } from "./seeded-random";
export { signature } from "./webhook-sender";
export type { WebhookMarkers } from "./webhook-bodies";
