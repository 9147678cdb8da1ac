import { randomUUID } from "node:crypto";
import http from "node:http";
import { webhookBody, type WebhookJob } from "../buildkite/webhook-bodies";
import { signature } from "../buildkite/webhook-sender";

/** A webhook that only has to be sent. */
export interface SignedWebhook {
  readonly uuid: string;
  readonly body: Buffer;
  readonly signature: string;
}

/** The queue that the bench's builds are for. */
export const QUEUE = "bench";

const ORGANIZATION = {
  slug: "acme-inc",
  clusterId: "42f1a7da-812d-4430-93d8-1cc7c33a6bcf",
  queueIds: new Map([[QUEUE, "01885682-55a7-44f5-84f3-0402fb452e66"]]),
};

/**
 * Makes the fake Buildkite's `job.scheduled`, signed now: it is good for five minutes.
 *
 * @param job default: one of queue `bench` that nobody else knows.
 */
export function signedWebhook(secret: string, job: WebhookJob = unknownJob()): SignedWebhook {
  const markers = { buildEnv: "a-value", inboundUrl: "another-value" };
  const body = Buffer.from(
    JSON.stringify(webhookBody("job.scheduled", { ...job, state: "scheduled" }, ORGANIZATION, markers)),
  );
  return { uuid: job.id, body, signature: signature(secret, Math.floor(Date.now() / 1000), body) };
}

function unknownJob(): WebhookJob {
  return {
    ...{ id: randomUUID(), buildId: randomUUID(), buildNumber: 123, pipeline: "web", queue: QUEUE, command: "true" },
    ...{ repository: undefined, commit: "HEAD", branch: "main", env: {} },
    ...{ agentQueryRules: [`queue=${QUEUE}`], state: "scheduled" as const, token: "", scheduledAt: Date.now() },
    ...{ starts: 0, refusals: 0, webhooks: [], laterWebhooks: [], chunks: new Map<number, Buffer>() },
  };
}

/** Sends it; @throws unless the answer is 200: the Job exists. */
export async function sendWebhook(url: string, webhook: SignedWebhook, agent: http.Agent): Promise<void> {
  const status = await postWebhook(url, webhook, agent);
  if (status !== 200) {
    throw new Error(`a webhook was answered ${status}`);
  }
}

/** Sends a webhook and returns the answer's status. @throws the network's error. */
export function postWebhook(url: string, webhook: SignedWebhook, agent: http.Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/webhook`, {
      agent,
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": webhook.body.length,
        "user-agent": "Buildkite-Request",
        "x-buildkite-event": "job.scheduled",
        "x-buildkite-signature": webhook.signature,
      },
    });
    request.once("error", reject);
    request.once("response", (response) => {
      response.resume();
      response.once("end", () => {
        resolve(response.statusCode ?? 0);
      });
    });
    request.end(webhook.body);
  });
}
