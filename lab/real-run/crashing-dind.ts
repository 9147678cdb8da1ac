import { jobName } from "../../components/contract";
import type { PodWatch } from "../conformance/pod-watch";
import type { Failures } from "../failures";
import type { Phases } from "../phases";
import { until } from "../waiting";
import type { GivenUpBuild } from "./results";
import type { RealSystem } from "./system";

/** A queue of the stack whose dind has an image without dockerd: its script ends with 127 at every start. */
export const CRASHING_QUEUE = "no-engine";

/** Seconds: two of the kubelet's waits, the dispatcher's 30 s and its looks, on a busy machine. */
const PATIENCE = 180;

/**
 * A build whose dind ends again and again: the kubelet would start it for as long as the pod may live, and the agent never.
 * The dispatcher must tell Buildkite why and take the pod away.
 */
export async function giveUpCrashingDind(
  { buildkite }: Pick<RealSystem, "buildkite">,
  watch: PodWatch,
  { phases, failures, signal }: { readonly phases: Phases; readonly failures: Failures; readonly signal: AbortSignal },
): Promise<GivenUpBuild> {
  return phases.run("a build whose dind ends again and again is given up", async () => {
    const job = buildkite.schedule({ queue: CRASHING_QUEUE, seconds: 1 });
    const name = jobName(job.id);
    await until(
      "Buildkite to hear that the build cannot start, and its pod to go",
      PATIENCE,
      signal,
      () => job.finishedAt !== undefined && watch.podOf(name)?.goneAt !== undefined,
      () => JSON.stringify(watch.podOf(name)),
    );
    const words = job.stackFinish?.detail ?? "";
    failures.check(
      /its container "dind" ends again and again before the agent can start \(CrashLoopBackOff\), the last time with exit code 127/.test(
        words,
      ),
      `a build without an engine fails at Buildkite with its cause, got ${JSON.stringify(words)}`,
    );
    failures.check(job.startedAt === undefined, "the agent of a build without an engine must not start");
    const seconds = Math.round(((job.finishedAt ?? 0) - job.scheduledAt) / 100) / 10;
    phases.say(`${CRASHING_QUEUE}: given up after ${seconds} s: ${words}`);
    return { queue: CRASHING_QUEUE, words, scheduledToGivenUpSeconds: seconds };
  });
}
