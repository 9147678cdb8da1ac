import type { CaseRun, ConformanceCase } from "../case";
import { JOB_TOKEN_SOURCE } from "../job-tokens";
import { DIND_ENDS, dindEnds, ENDED_WELL, POD_ENDS } from "./rules";

/**
 * What a build finds of agent tokens and acquisition tokens, written so that it does not find itself: in the environment and
 * the arguments of every process it may look at; and of service account tokens. Its own job's token it must have.
 */
const LOOK_FOR_TOKENS = [
  "found=$(cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c 'bkc[t]_\\|bkja[t]_' || :)",
  'echo "tokens found: $found"',
  "ls /run/job-token-request /var/run/secrets/kubernetes.io 2>/dev/null || echo 'no service account token'",
].join("\n");

/** Pods that fetch a token for their own job instead of having the agent token. The post's pod knows no such thing. */
export const TOKENS: readonly ConformanceCase[] = [
  {
    name: "job acquisition token instead of the agent token",
    template: () => ({ jobAcquisitionTokens: JOB_TOKEN_SOURCE }),
    build: () => ({ command: LOOK_FOR_TOKENS }),
    look: async (run) => {
      if (run.mode === "post") {
        run.notes.push(/tokens found: \d+/.exec(run.log())?.[0] ?? "it did not look");
        return;
      }
      expectLogged(run, "tokens found: 0");
      expectLogged(run, "no service account token");
      if (run.build.reservation === undefined) {
        run.faults.push("the job was never reserved");
      }
      const said = await run.containerLog("job-token");
      if (said !== "") {
        run.notes.push(`the init container said: ${said}`);
      }
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "0", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "0", dindEnd: 7_000, podEnd: 9_000, jobResult: "Complete" },
      because: "it has the agent token in its environment",
    },
  },
  {
    name: "no job acquisition token for a canceled job",
    longest: 65,
    template: () => ({ jobAcquisitionTokens: JOB_TOKEN_SOURCE }),
    prepare: (run) => {
      run.buildkite.cancel(run.build.id);
    },
    patience: 90,
    look: async (run) => {
      if (
        run.mode !== "post" &&
        !/no build is started \(409\): Buildkite says/.test(await run.containerLog("job-token"))
      ) {
        run.faults.push(`the init container does not say why: ${await run.containerLog("job-token")}`);
      }
    },
    expected: () => ({
      ...{ agentExit: "canceled", agentCode: "none", podPhase: "Failed", jobResult: "Failed" },
      podEndsAfterStart: 45_000,
    }),
    documented: {
      ...{ agentExit: "canceled", agentCode: 0, dindEnd: DIND_ENDS.post + 3_000, podPhase: "Succeeded" },
      ...{ jobResult: "Complete", podEnd: POD_ENDS },
      because: "the agent finds no job in its queue, waits its 50 s, and ends well",
    },
  },
];

function expectLogged(run: CaseRun, line: string): void {
  if (!run.log().includes(line)) {
    run.faults.push(`the build's log does not say "${line}": ${run.log().slice(-600)}`);
  }
}
