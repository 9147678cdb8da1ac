import { setTimeout as sleep } from "node:timers/promises";
import type { AgentsNamespace } from "../agents-namespace";

/** The longest wait for a deleted pod to be gone; containers that never started need none. */
export const GONE_WITHIN_MS = 120_000;

/**
 * Deletes this very Job and waits until none of its pods is there: only then can no agent take the build any more.
 *
 * @returns false when that Job was not there.
 * @throws Error when a pod stays.
 */
export async function removeJob(
  api: Pick<AgentsNamespace, "deleteJob" | "podsOf">,
  name: string,
  uid: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await api.deleteJob(name, uid, signal))) {
    return false;
  }
  const deadline = performance.now() + GONE_WITHIN_MS;
  for (;;) {
    const pods = await api.podsOf(name, signal);
    const left = pods.find(({ metadata }) => (metadata.ownerReferences ?? []).some((owner) => owner.uid === uid));
    if (left === undefined) {
      return true;
    }
    if (performance.now() > deadline) {
      throw new Error(`pod ${left.metadata.name} is still there ${GONE_WITHIN_MS / 1000} s after its Job was deleted`);
    }
    await sleep(250, undefined, { signal });
  }
}
