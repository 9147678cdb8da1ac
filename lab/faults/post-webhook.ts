import { request, type Agent } from "node:http";
import type { SignedWebhook } from "../bench/webhooks";

/** Sends a webhook and returns the answer's status. @throws the network's error. */
export async function postWebhook(url: string, webhook: SignedWebhook, agent: Agent): Promise<number> {
  return await new Promise((resolve, reject) => {
    const message = request(`${url}/webhook`, {
      agent,
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-length": webhook.body.length,
        "x-buildkite-event": "job.scheduled",
        "x-buildkite-signature": webhook.signature,
      },
    });
    message.once("error", reject);
    message.once("response", (response) => {
      response.resume();
      response.once("end", () => {
        resolve(response.statusCode ?? 0);
      });
    });
    message.end(webhook.body);
  });
}
