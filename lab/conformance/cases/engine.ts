import { readFile } from "node:fs/promises";
import { baseInAgent } from "../../images";
import type { CaseRun, ConformanceCase } from "../case";
import { POD_MTU } from "../cluster";
import { dindEnds, ENDED_WELL } from "./rules";

const READY = "until docker info >/dev/null 2>&1; do sleep 0.2; done";
const LOAD = `docker load --quiet --input ${baseInAgent}`;
const BASE = "localhost/busybox:lab";
/** Less than dind's limit, and more than the agent's. */
const SMALL_DIND = { agent: { cpu: "50m", memory: "256Mi" }, dind: { cpu: "50m", memory: "300Mi" } };
const POST_MTU = 1500;

/** What must hold of the engine, and of what runs in it. */
export const ENGINE: readonly ConformanceCase[] = [
  {
    name: "agent's log and exit code are its own",
    template: () => ({ env: { BUILDKITE_LOG_FORMAT: "json", BUILDKITE_AGENT_REFLECT_EXIT_STATUS: "true" } }),
    build: () => ({ command: "echo begun; exit 7" }),
    look: async (run) => {
      const lines = (await run.containerLog("agent")).split("\n").filter((line) => line.trim() !== "");
      const foreign = lines.filter((line) => !isAgentsOwn(line));
      if (lines.length === 0 || foreign.length > 0) {
        run.faults.push(
          `the agent's log has ${lines.length} lines, ${foreign.length} not its own: ${foreign[0] ?? ""}`,
        );
      }
    },
    expected: (mode) => ({
      ...{ agentExit: "7", agentCode: 7, podPhase: "Failed", jobResult: "Failed", ...dindEnds(mode) },
    }),
    documented: {
      ...{ agentExit: "7", agentCode: 0, dindEnd: 7_000, podPhase: "Succeeded", jobResult: "Complete" },
      faults: [/not its own: .*tini/],
      because:
        "an agent that takes any job does not reflect its status, and tini complains that it is not the first process",
    },
  },
  {
    name: "inner container over the memory limit",
    template: () => ({ resources: SMALL_DIND }),
    build: () => ({
      command: [
        READY,
        LOAD,
        "code=0",
        `docker run --rm ${BASE} sh -c 'echo begun; sleep 3; tail /dev/zero' || code=$?`,
        "docker info >/dev/null && echo engine lives",
        "exit $code",
      ].join("\n"),
    }),
    blow: async (run) => {
      await run.untilLogged("begun");
      run.notes.push(await memoryCgroups(run));
    },
    look: (run, seen) => {
      if (!run.log().includes("\nengine lives")) {
        run.faults.push("dockerd did not outlive the container that took too much");
      }
      if (seen.dind.oomKilled !== true) {
        run.faults.push("the kernel killed nothing inside the pod's own memory limit");
      }
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "137", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "-1 (process_run_error)", dindEnd: 7_000 },
      faults: [/dockerd did not outlive/],
      because: "the kernel takes dockerd, which has the pod's OOM score; the containers inside have none",
    },
  },
  {
    name: "networks inside take the pod's MTU (1460)",
    build: () => ({
      command: [
        READY,
        LOAD,
        `echo "default $(docker run --rm ${BASE} cat /sys/class/net/eth0/mtu)"`,
        "docker network create own >/dev/null",
        `echo "own $(docker run --rm --network own ${BASE} cat /sys/class/net/eth0/mtu)"`,
      ].join("\n"),
    }),
    look: (run) => {
      for (const network of ["default", "own"]) {
        const seen = new RegExp(`^${network} ([0-9]+)$`, "m").exec(run.log())?.[1];
        if (seen !== String(POD_MTU)) {
          run.faults.push(`MTU of the ${network} network is ${seen ?? "unknown"}, not ${POD_MTU}`);
        }
      }
    },
    expected: (mode) => ({ ...ENDED_WELL, agentExit: "0", ...dindEnds(mode) }),
    documented: {
      ...{ agentCode: 0, agentExit: "0", dindEnd: 7_000 },
      faults: [new RegExp(`default network is ${POST_MTU}`), new RegExp(`own network is ${POST_MTU}`)],
      because: "dockerd takes 1500 whatever the pod's interface has: large packets get lost",
    },
  },
  {
    name: "2 GiB into a graph volume of 512 MiB",
    longest: 180,
    template: () => ({ dockerGraphSizeLimit: "512Mi" }),
    build: () => ({
      command: [
        READY,
        LOAD,
        "echo begun",
        `docker run --rm ${BASE} sh -c 'dd if=/dev/zero of=/big bs=1M count=2048 2>/dev/null; echo written; sleep 150'`,
      ].join("\n"),
    }),
    // The kubelet looks at volumes once a minute, and evicts within 10 s of that.
    blow: async (run) => {
      await run.untilLogged("begun");
      await run.until("the pod's end", 170, () => run.pod()?.terminalAt !== undefined || run.mode === "post");
    },
    // An eviction gives the agent one second: it tells Buildkite in time, or is given up.
    look: async (run) => {
      if (run.mode !== "post") {
        await run.until("Buildkite to know", 40, () => run.build.result !== undefined);
      }
    },
    patience: 30,
    postWindow: 1,
    expected: () => ({
      ...{ agentExit: /^-1 \((agent_stop|agent_lost)\)$/, podPhase: "Failed", podReason: "Evicted" },
      ...{ jobResult: "Failed", dindEnd: 8_000 },
    }),
    documented: {
      ...{ agentExit: /^0$|^still running$/, podPhase: "Running", jobResult: "none" },
      because: "no volume, so no limit: it fills the node's disk, and no kubelet counts it",
    },
  },
];

/** With BUILDKITE_LOG_FORMAT=json every line of the agent's is an object with these, but for its last words. */
function isAgentsOwn(line: string): boolean {
  if (line === "failed to run job: process exited with status=7") {
    return true;
  }
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "ts" in value && "level" in value;
  } catch {
    return false;
  }
}

/** Whether the processes of the container inside are below the pod's cgroup. */
async function memoryCgroups(run: CaseRun): Promise<string> {
  const uid = run.pod()?.uid ?? "";
  const pids = await run.node.pids(uid, "dind");
  const below = new Set<string>();
  for (const pid of pids) {
    const text = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
    const path = /^\d+:memory:(.*)$/m.exec(text)?.[1] ?? /^0::(.*)$/m.exec(text)?.[1] ?? "";
    if (/\/docker\/|buildkit/.test(path)) {
      below.add(path);
    }
  }
  const outside = [...below].filter((path) => !path.includes(uid));
  if (outside.length > 0 || below.size === 0) {
    run.faults.push(`cgroups of containers inside: ${[...below].join(", ") || "none found below the pod's"}`);
  }
  return below.size === 0 ? "" : "the container inside is below the pod's memory cgroup";
}
