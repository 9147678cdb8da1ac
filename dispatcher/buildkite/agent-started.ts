import { AGENT_CONTAINER } from "../../components/contract";
import type { Pod } from "../kubernetes/objects";

/** Whether the agent's container runs or has run. */
export function hasAgentStarted({ status }: Pod): boolean {
  const agent = status?.containerStatuses?.find(({ name }) => name === AGENT_CONTAINER);
  return [agent?.state, agent?.lastState].some(
    (state) => state?.running !== undefined || state?.terminated !== undefined,
  );
}
