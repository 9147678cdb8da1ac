import { randomBytes } from "node:crypto";
import { needle, type Needle } from "./leaks/needles";

/** Throwaway secrets of one run; random, so that finding one anywhere is a leak of this run. */
export interface LabSecrets {
  readonly agentToken: string;
  /** What the agent token is rotated to in the middle of the builds. */
  readonly nextAgentToken: string;
  readonly webhookSecret: string;
}

/** New ones, with characters that look different in base64 and in URLs. */
export function createSecrets(): LabSecrets {
  const secret = (prefix: string) => `${prefix}${randomBytes(24).toString("hex")}/+?x`;
  return { agentToken: secret("bkct_"), nextAgentToken: secret("bkct_"), webhookSecret: secret("wh-") };
}

/** What the leak search looks for; the markers stand in every webhook's body. */
export function needlesOf(secrets: LabSecrets, markers: { buildEnv: string; inboundUrl: string }): Needle[] {
  return [
    needle("agent token", secrets.agentToken),
    needle("next agent token", secrets.nextAgentToken),
    needle("webhook secret", secrets.webhookSecret),
    needle("build environment of a webhook", markers.buildEnv),
    needle("inbound webhook address in a webhook", markers.inboundUrl),
  ];
}
