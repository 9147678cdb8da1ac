import { baseInAgent } from "../../images";
import type { ConformanceCase } from "../case";
import { dindEnds, ENDED_WELL, POD_ENDS } from "./rules";

/** The agent ends by itself. */
export const ENDS: readonly ConformanceCase[] = [
  {
    name: "job succeeds",
    measured: true,
    // Clone, build from a local base, run with the checkout mounted, two containers on a network of their own.
    build: (mode, { repository }) => ({
      repository,
      command: mode === "post" ? "until docker info >/dev/null 2>&1; do sleep 0.2; done; ./build.sh 0" : "./build.sh 0",
    }),
    look: (run) => {
      if (!run.log().includes("built well")) {
        run.faults.push(`the build did not end well: ${lastLines(run.log())}`);
      }
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "0", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "1", dindEnd: 7_000, podEnd: 9_000, jobResult: "Complete" },
      faults: [/the build did not end well/],
      because:
        "the checkout is not in dind, so docker run --volume mounts an empty folder (and the build had to wait for dockerd by itself)",
    },
  },
  {
    name: "job fails with 3",
    measured: true,
    build: () => ({ command: "echo begun; exit 3" }),
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "3", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "3", dindEnd: 7_000, podEnd: 9_000, jobResult: "Complete" },
      because: "dind looks for the file every 5 s, and leaves dockerd without a stop",
    },
  },
  {
    name: "job leaves a daemon and an orphan container",
    build: () => ({
      command: [
        "until docker info >/dev/null 2>&1; do sleep 0.2; done",
        `docker load --quiet --input ${baseInAgent}`,
        "docker run --detach --name orphan localhost/busybox:lab sleep 3600",
        "setsid sleep 3600 >/dev/null 2>&1 </dev/null &",
        "echo begun",
      ].join("\n"),
    }),
    // What still runs inside is stopped, within the limit that derives from the pod's grace period.
    expected: () => ({
      ...ENDED_WELL,
      agentExit: "0",
      dindCode: 0,
      dindEnd: 12_000,
      podEnd: POD_ENDS + 8_000,
      jobEnd: 20_000,
    }),
    documented: {
      ...{ agentCode: 0, agentExit: "0", dindEnd: 7_000, podEnd: 9_000, jobResult: "Complete" },
      because: "the orphan is killed with dind's namespace, without a stop",
    },
  },
  {
    name: "queue mode without a job (idle time-out)",
    longest: 70,
    template: () => ({ agentMode: "queue" }),
    // Not for this queue's agents: nobody may find it.
    build: () => ({ state: "waiting" }),
    patience: 90,
    expected: (mode) => ({
      agentCode: 0,
      podPhase: "Succeeded",
      jobResult: "Complete",
      agentExit: "not started",
      ...dindEnds(mode),
    }),
    documented: {
      ...{ agentCode: 0, dindEnd: 7_000, podPhase: "Succeeded", jobResult: "Complete" },
      because: "as wanted, but for dind's polling",
    },
  },
];

function lastLines(log: string): string {
  return log.trim().split("\n").slice(-4).join(" | ");
}
