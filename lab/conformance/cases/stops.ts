import { baseInAgent } from "../../images";
import { ENDLESS, type CaseRun, type ConformanceCase } from "../case";
import { BUILDKITE_KNOWS, DIND_ENDS, dindEnds, ENDED_WELL, POD_ENDS } from "./rules";

const STOPPED = "-1 (agent_stop)";
const DEAF =
  "neither shell passes SIGTERM on or heeds it: both are killed after the whole 30 s, and Buildkite hears nothing";

async function remove(run: CaseRun, path: string): Promise<void> {
  // As kubectl delete does it.
  const body = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background" };
  await run.client.request("DELETE", path, { body, signal: run.signal });
}

/** Somebody stops the pod, the Job or the build. */
export const STOPS: readonly ConformanceCase[] = [
  {
    name: "SIGTERM to the pod",
    longest: 45,
    measured: true,
    build: () => ({ command: ENDLESS }),
    // What a drain and a Spot node's end come to.
    blow: async (run) => {
      await run.untilLogged("begun");
      run.act();
      await remove(run, `/api/v1/namespaces/${run.namespace}/pods/${run.pod()?.name ?? ""}`);
    },
    expected: (mode) => ({
      ...{ agentExit: STOPPED, agentCode: 0, dindCode: 0, buildkiteKnows: BUILDKITE_KNOWS, dindEnd: DIND_ENDS[mode] },
      ...{ podEnd: POD_ENDS, podPhase: /deleted$/, jobResult: ["Failed", "Complete"] },
    }),
    patience: 60,
    documented: { agentCode: 137, buildkiteKnows: "never", because: DEAF },
  },
  {
    name: "SIGTERM to the pod, job and inner container ignore it",
    longest: 45,
    // The agent kills such a job after its own grace period, dind stops what runs inside after its; all fits the pod's.
    build: () => ({
      command: [
        "until docker info >/dev/null 2>&1; do sleep 0.2; done",
        `docker load --quiet --input ${baseInAgent}`,
        "docker run --detach localhost/busybox:lab sleep 3600",
        "trap '' TERM",
        "echo begun",
        "while :; do sleep 1; done",
      ].join("\n"),
    }),
    blow: async (run) => {
      await run.untilLogged("begun");
      run.act();
      await remove(run, `/api/v1/namespaces/${run.namespace}/pods/${run.pod()?.name ?? ""}`);
    },
    // Of 30 s: the job is killed after 7, the agent leaves within 9 in all, and dind within 7 more, by itself.
    expected: () => ({
      agentExit: STOPPED,
      agentCode: 0,
      dindCode: 0,
      buildkiteKnows: 12_000,
      dindEnd: 12_000,
      podPhase: /deleted$/,
    }),
    documented: { agentCode: 137, buildkiteKnows: "never", because: DEAF },
  },
  {
    name: "kubectl delete job",
    longest: 45,
    build: () => ({ command: ENDLESS }),
    blow: async (run) => {
      await run.untilLogged("begun");
      run.act();
      await remove(run, `/apis/batch/v1/namespaces/${run.namespace}/jobs/${run.jobName}`);
    },
    expected: (mode) => ({
      ...{ agentExit: STOPPED, agentCode: 0, dindCode: 0, buildkiteKnows: BUILDKITE_KNOWS + 1_000 },
      ...{ dindEnd: DIND_ENDS[mode], podEnd: POD_ENDS, podPhase: /deleted$/, jobResult: "deleted" },
    }),
    documented: { agentCode: 137, buildkiteKnows: "never", jobResult: "deleted", because: DEAF },
  },
  {
    name: "job canceled in Buildkite while it runs",
    build: () => ({ command: ENDLESS }),
    blow: async (run) => {
      await run.untilLogged("begun");
      run.act();
      run.buildkite.cancel(run.build.id);
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "-1 (cancel)", buildkiteKnows: 6_000, ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "-1 (cancel)", dindEnd: 7_000, podPhase: "Succeeded", jobResult: "Complete" },
      because: "as wanted, but for dind's polling",
    },
  },
  {
    name: "deadline exceeded",
    longest: 60,
    template: () => ({ timeoutSeconds: 20 }),
    build: () => ({ command: ENDLESS }),
    blow: async (run) => {
      await run.untilLogged("begun");
      await run.until("the agent to hear of it", 40, () => run.mode === "post" || run.build.result !== undefined);
    },
    expected: (mode) => ({
      ...{ agentExit: STOPPED, podPhase: "Failed", podReason: "DeadlineExceeded", jobResult: "Failed" },
      ...{ dindEnd: DIND_ENDS[mode], podEndsAfterStart: 35_000 },
    }),
    patience: 30,
    documented: {
      ...{ agentExit: "still running", podPhase: "Running", jobResult: "none" },
      because: "there is no deadline: a build that hangs keeps its node for ever",
    },
  },
];
