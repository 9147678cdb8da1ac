import type { CaseRun, ConformanceCase } from "../case";
import { dockerdStartOf } from "../dockerd-log";
import { dockerdWrapper } from "../template";
import { dindEnds, ENDED_WELL, POD_ENDS } from "./rules";

const MISSING = "localhost/missing:lab";
const IDLE = "the agent finds no job in its queue, waits its 50 s, and ends well";

/** The pod does not come to run its job. */
export const STARTS: readonly ConformanceCase[] = [
  {
    name: "dockerd never becomes ready",
    longest: 140,
    template: (mode) => ({
      volumes: [dockerdWrapper("hanging")],
      // In `native` nothing but the pod's deadline ends it; `shared-volume` gives up by itself, after 2 minutes.
      timeoutSeconds: mode === "native" ? 40 : 240,
    }),
    build: () => ({ command: "echo begun; docker info" }),
    patience: 200,
    look: gaveUpClearly,
    expected: (mode) =>
      mode === "native"
        ? {
            ...{ agentExit: "not started", agentCode: "none", podPhase: "Failed", podReason: "DeadlineExceeded" },
            ...{ jobResult: "Failed", podEndsAfterStart: 60_000 },
          }
        : {
            agentExit: "not started",
            agentCode: 1,
            podPhase: "Failed",
            jobResult: "Failed",
            podEndsAfterStart: 150_000,
          },
    documented: {
      ...{ agentCode: 0, agentExit: "1", dindEnd: 7_000 },
      because: "nothing looks at dockerd: the job begins, and fails for want of it",
    },
  },
  {
    name: "dockerd takes 20 s to start",
    longest: 45,
    template: () => ({ volumes: [dockerdWrapper("slow")] }),
    build: () => ({ command: "docker info >/dev/null && echo answered" }),
    look: (run, seen) => {
      gateHeld(run);
      const waited = (seen.agent.startedAt ?? 0) - (seen.dind.startedAt ?? 0);
      run.notes.push(`agent began ${(waited / 1000).toFixed(1)} s after dind`);
    },
    patience: 90,
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "0", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "1", dindEnd: 7_000, podPhase: "Succeeded" },
      faults: [/began before dockerd answered/],
      because: "nothing waits for dockerd: the job begins at once, and fails",
    },
  },
  {
    name: "job never starts before docker info answers",
    measured: true,
    build: () => ({ command: "docker info >/dev/null && echo answered" }),
    look: async (run, seen) => {
      gateHeld(run);
      // What bounds the first answer: the entrypoint before dockerd, or dockerd itself.
      const start = dockerdStartOf(await run.containerLog("dind"));
      if (start !== undefined && seen.dind.startedAt !== undefined) {
        const entrypoint = Math.round(start.startingUpAt - seen.dind.startedAt);
        run.notes.push(`entrypoint ${entrypoint} ms, dockerd ${start.listeningAt - start.startingUpAt} ms`);
      }
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "0", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "1", dindEnd: 7_000 },
      faults: [/began before dockerd answered/],
      because: "a race that the agent wins: dockerd waits 16 s before it opens its port without TLS",
    },
  },
  {
    name: "agent image missing",
    longest: 60,
    template: () => ({ agentImage: MISSING, timeoutSeconds: 25 }),
    patience: 50,
    look: (run) => {
      run.notes.push(`waited for ${(run.pod()?.waitingReasons ?? []).join(", ")}`);
    },
    expected: () => ({
      ...{ agentExit: "not started", agentCode: "none", podPhase: "Failed", podReason: "DeadlineExceeded" },
      ...{ jobResult: "Failed", podEndsAfterStart: 45_000 },
    }),
    documented: {
      ...{ agentCode: "none", podPhase: "Pending", jobResult: "none" },
      because: "dind runs for ever, without an agent and without a deadline",
    },
  },
  {
    name: "dind image missing",
    longest: 60,
    template: () => ({ dindImage: MISSING, timeoutSeconds: 25 }),
    build: () => ({ command: "docker info" }),
    patience: 50,
    expected: () => ({
      ...{ agentExit: "not started", podPhase: "Failed", podReason: "DeadlineExceeded", jobResult: "Failed" },
      ...{ podEndsAfterStart: 45_000 },
    }),
    documented: {
      ...{ agentCode: 0, agentExit: "1", podPhase: "Pending", jobResult: "none" },
      because: "the job begins, fails for want of dockerd, and the pod waits for an image for ever",
    },
  },
  {
    name: "job already taken (exit 27)",
    longest: 65,
    prepare: (run) => {
      run.buildkite.take(run.build.id);
    },
    patience: 90,
    look: (run) => {
      if (run.mode !== "post" && run.build.refusals !== 1) {
        run.faults.push(`acquire was refused ${run.build.refusals} times, not once`);
      }
    },
    expected: (mode) => ({
      ...{ agentCode: 27, podPhase: "Failed", jobResult: "Failed", podEnd: POD_ENDS, dindEnd: dindEnds(mode).dindEnd },
    }),
    documented: { agentCode: 0, dindEnd: 7_000, podPhase: "Succeeded", jobResult: "Complete", because: IDLE },
  },
  {
    name: "job canceled in Buildkite before it starts",
    longest: 65,
    prepare: (run) => {
      run.buildkite.cancel(run.build.id);
    },
    patience: 90,
    expected: (mode) => ({
      ...{ agentExit: "canceled", agentCode: 27, podPhase: "Failed", jobResult: "Failed" },
      ...{ podEnd: POD_ENDS, dindEnd: dindEnds(mode).dindEnd },
    }),
    documented: {
      ...{ agentExit: "canceled", agentCode: 0, dindEnd: 7_000, podPhase: "Succeeded", jobResult: "Complete" },
      because: IDLE,
    },
  },
];

/** The measured gate: dockerd had answered before the job began, and the job's own first `docker info` worked. */
function gateHeld(run: CaseRun): void {
  const { dockerAnsweredAt, buildkite } = run.observe();
  const startedAt = buildkite.startedAt;
  if (startedAt === undefined) {
    return;
  }
  if (dockerAnsweredAt === undefined || dockerAnsweredAt > startedAt || !run.log().includes("\nanswered")) {
    run.faults.push("the job began before dockerd answered");
    return;
  }
  run.notes.push(`the job began ${startedAt - dockerAnsweredAt} ms after dockerd's first answer`);
}

async function gaveUpClearly(run: CaseRun): Promise<void> {
  if (run.mode === "shared-volume" && !/dockerd did not become ready/.test(await run.containerLog("agent"))) {
    run.faults.push("the agent's log does not say why it gave up");
  }
}
