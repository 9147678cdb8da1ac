import { randomUUID } from "node:crypto";
import http from "node:http";
import { webhookBody } from "../buildkite/webhook-bodies";
import { signature } from "../buildkite/webhook-sender";

/** A webhook that only has to be sent. */
export interface SignedWebhook {
  readonly uuid: string;
  readonly body: Buffer;
  readonly signature: string;
}

const ORGANIZATION = {
  slug: "acme-inc",
  clusterId: "42f1a7da-812d-4430-93d8-1cc7c33a6bcf",
  queueIds: new Map([["bench", "01885682-55a7-44f5-84f3-0402fb452e66"]]),
};

/** Makes the fake Buildkite's `job.scheduled` for a build of queue `bench`, signed now: it is good for five minutes. */
export function signedWebhook(secret: string): SignedWebhook {
  const uuid = randomUUID();
  const now = Date.now();
  const job = {
    ...{
      id: uuid,
      buildId: randomUUID(),
      buildNumber: 123,
      pipeline: "web",
      queue: "bench",
      command: "true",
    },
    ...{ repository: undefined, commit: "HEAD", branch: "main", env: {} },
    ...{ agentQueryRules: ["queue=bench"], state: "scheduled" as const, token: "", scheduledAt: now },
    ...{ starts: 0, refusals: 0, webhooks: [], laterWebhooks: [], chunks: new Map<number, Buffer>() },
  };
  const markers = { buildEnv: "a-value", inboundUrl: "another-value" };
  const body = Buffer.from(JSON.stringify(webhookBody("job.scheduled", job, ORGANIZATION, markers)));
  return { uuid, body, signature: signature(secret, Math.floor(now / 1000), body) };
}

/** Sends it; @throws unless the answer is 200: the Job exists. */
export function sendWebhook(url: string, webhook: SignedWebhook, agent: http.Agent): Promise<void> {
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
        if (response.statusCode === 200) {
          resolve();
        } else {
          reject(new Error(`a webhook was answered ${String(response.statusCode)}`));
        }
      });
    });
    request.end(webhook.body);
  });
}
