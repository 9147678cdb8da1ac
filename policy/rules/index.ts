import type { Rule } from "../rule";
import { agentsPoolTaint } from "./agents-pool-taint";
import { dindDeadline } from "./dind-deadline";
import { dindMemory } from "./dind-memory";
import { dindUnixSocket } from "./dind-unix-socket";
import { noDockerPort } from "./no-docker-port";
import { poolTotalLimits } from "./pool-total-limits";
import { webhookHttps } from "./webhook-https";

/** The rules that hold for every stack; images are a matter of the stack, see ../index.ts. */
export const RULES: readonly Rule[] = [
  dindUnixSocket,
  noDockerPort,
  dindMemory,
  dindDeadline,
  poolTotalLimits,
  agentsPoolTaint,
  webhookHttps,
];
