import type { WebhookDelivery } from "./buildkite";

/** Whether the answer says that the build has its Job. A build that stays at Buildkite for now is answered 200, too. */
export function madeJob({ status, outcome }: Pick<WebhookDelivery, "status" | "outcome">): boolean {
  return status === 200 && outcome !== "deferred";
}
