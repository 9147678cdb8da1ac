import { labelValue } from "../../components/stamp";
import type { QueueRoute } from "../settings";

/**
 * Keys of the queues of agent mode `acquire`, by the label's value: only there a pod is one build's. In mode `queue` it is
 * capacity, which no build's end or trouble takes away.
 */
export function acquiringQueues(queues: readonly QueueRoute[]): ReadonlyMap<string, string> {
  const acquiring = queues.filter(({ agentMode }) => agentMode === "acquire");
  return new Map(acquiring.map(({ key }) => [labelValue(key), key]));
}
