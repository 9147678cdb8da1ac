import { baseInAgent } from "../../images";
import { ENDLESS, type CaseRun, type ConformanceCase } from "../case";
import { dindEnds, ENDED_WELL, KILLED } from "./rules";

const LOST = "-1 (agent_lost)";
const NO_TRAP = "no trap runs in a shell that is killed: dind polls for a file that nobody writes any more";

/** Buildkite gives an agent up only after a while. */
async function untilLost(run: CaseRun): Promise<void> {
  await run.until("Buildkite to give the agent up", 40, () => run.build.lostAt !== undefined);
}

async function strike(run: CaseRun, which: "first" | "agent" | "all"): Promise<void> {
  await run.untilLogged("begun");
  run.act();
  await run.node.kill(run.pod()?.uid ?? "", "agent", which);
}

/** Somebody kills the agent. */
export const DEATHS: readonly ConformanceCase[] = [
  {
    name: "agent SIGKILLed",
    longest: 35,
    measured: true,
    build: () => ({ command: ENDLESS }),
    // The container's first process, as a kubelet or an out-of-memory kill takes it.
    blow: (run) => strike(run, "first"),
    look: untilLost,
    expected: (mode) => ({ ...KILLED, agentExit: LOST, ...dindEnds(mode) }),
    documented: {
      agentExit: LOST,
      agentCode: 137,
      dindEnd: "never",
      podEnd: "never",
      jobResult: "none",
      because: NO_TRAP,
    },
  },
  {
    name: "agent process SIGKILLed",
    longest: 35,
    measured: true,
    build: () => ({ command: ENDLESS }),
    blow: (run) => strike(run, "agent"),
    look: untilLost,
    expected: (mode) => ({ ...KILLED, agentExit: LOST, ...dindEnds(mode) }),
    documented: {
      ...{ agentExit: LOST, dindEnd: 7_000, podPhase: "Failed" },
      because: "the shell around the agent lives, and its trap writes the file",
    },
  },
  {
    name: "agent out of memory, as the kernel does it",
    // On cgroup v1 the kernel takes the fattest process: the build's, not the agent.
    build: () => ({ command: "echo begun; tail /dev/zero" }),
    look: (run, seen) => {
      if (seen.agent.oomKilled !== true) {
        run.faults.push("containerd saw no process killed for want of memory");
      }
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: /^(137|255|-1.*)$/, ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: /^(137|255|-1.*)$/, dindEnd: 7_000, podPhase: "Succeeded" },
      because: "the agent itself lives on cgroup v1, so its shell's trap runs",
    },
  },
  {
    name: "agent out of memory, all at once",
    longest: 35,
    measured: true,
    build: () => ({ command: ENDLESS }),
    // What cgroup v2 does (memory.oom.group): every process of the container in the same moment.
    blow: (run) => strike(run, "all"),
    look: untilLost,
    expected: (mode) => ({ ...KILLED, agentExit: LOST, ...dindEnds(mode) }),
    documented: {
      agentExit: LOST,
      agentCode: 137,
      dindEnd: "never",
      podEnd: "never",
      jobResult: "none",
      because: NO_TRAP,
    },
  },
  {
    name: "dockerd crashes mid-build",
    build: () => ({
      command: [
        "until docker info >/dev/null 2>&1; do sleep 0.2; done",
        `docker load --quiet --input ${baseInAgent}`,
        "docker run --rm localhost/busybox:lab sh -c 'echo inside; sleep 600' || code=$?",
        // What else a build does before it ends: dind has time to look.
        "sleep 5",
        "exit ${code:-0}",
      ].join("\n"),
    }),
    blow: async (run) => {
      await run.untilLogged("inside");
      run.act();
      await run.node.kill(run.pod()?.uid ?? "", "dind", { process: "dockerd" });
    },
    look: (run, seen) => {
      if (!/docker daemon|error waiting|EOF|unexpected|connection/i.test(run.log())) {
        run.faults.push("the build's log names no reason");
      }
      if (run.mode === "native" && seen.dind.instances !== 2) {
        run.faults.push(`dind was started ${seen.dind.instances} times, not twice`);
      }
    },
    // The build's own docker command fails, with its own code. A native dind is started anew
    // (it may still be starting when it is told to leave), the other one ends the pod.
    expected: (mode) => ({
      ...{ agentExit: /^(-1 \(process_run_error\)|1|125)$/, agentCode: 0, podEnd: 25_000, dindEnd: 20_000 },
      ...(mode === "native"
        ? { dindCode: 0, podPhase: "Succeeded", jobResult: "Complete" }
        : { dindCode: 1, podPhase: "Failed", jobResult: "Failed" }),
    }),
    documented: {
      ...{ agentExit: /^(-1 \(process_run_error\)|1|125)$/, agentCode: 0, dindEnd: 7_000 },
      because: "the loop does not look at dockerd; here the build's own docker command fails",
    },
  },
];
