import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { cgroupMount, cgroupPrefix } from "./cgroups";
import { initName } from "./init-script";

/** What a lab with a real node could leave behind on the machine. */
export interface HostState {
  /** Names of network devices. */
  links: readonly string[];
  /** Mount points, each as often as something is mounted there. */
  mounts: readonly string[];
  /** The cgroup folders of labs, and those that a kubelet makes, wherever they are. Others come and go by themselves. */
  cgroups: readonly string[];
  /** Commands of the processes that belong to such a lab, with their ids. */
  processes: readonly string[];
  /** Kernel settings that a kubelet would change. */
  settings: readonly string[];
}

const settings = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"];
const cgroupsOfLabs = new RegExp(`/(${cgroupPrefix}|kubepods)`);
const runPattern = new RegExp(`/${cgroupPrefix}(\\d+)-\\d+-`);

/**
 * Looks at the machine. What belongs to a lab that another living process supervises is left out: several may run at once,
 * and theirs come and go.
 */
export function readHostState(): HostState {
  return {
    links: links(),
    mounts: mounts(),
    cgroups: folders(cgroupMount).filter(
      (folder) => cgroupsOfLabs.test(folder) && !isAnothers(runPattern.exec(folder)?.[1]),
    ),
    processes: processes(),
    settings: settings.map((name) => `${name} = ${read(`/proc/sys/${name}`).trim()}`),
  };
}

/** What is there after a run that was not there before it, and what it changed. */
export function compareHostState(before: HostState, after: HostState): string[] {
  const kinds = [
    ["network device", before.links, after.links],
    ["mount", before.mounts, after.mounts],
    ["cgroup folder", before.cgroups, after.cgroups],
    ["process", before.processes, after.processes],
    ["kernel setting", before.settings, after.settings],
  ] as const;
  return kinds.flatMap(([kind, old, now]) => added(old, now).map((name) => `${kind} ${name}`));
}

function added(old: readonly string[], now: readonly string[]): string[] {
  const left = [...old];
  return now.filter((name) => {
    const index = left.indexOf(name);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}

function links(): string[] {
  // Not /sys/class/net: that shows the network namespace in which /sys was mounted.
  return execFileSync("ip", ["-o", "link"], { encoding: "utf8" })
    .split("\n")
    .flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []);
}

function mounts(): string[] {
  return read("/proc/self/mountinfo")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? []);
}

function folders(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return [path, ...folders(path)];
    });
}

function processes(): string[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => ({ pid, command: read(`/proc/${pid}/cmdline`).split("\0"), namespace: namespaceOf(pid) }));
  // The first process of a lab names its run; the others are known by sharing its process namespace.
  const supervisors = new Map<string, string>();
  for (const { command, namespace } of all) {
    const supervisor = supervisorIn(command);
    if (supervisor !== undefined && command[0] === "sh" && namespace !== "") supervisors.set(namespace, supervisor);
  }
  return all.flatMap(({ pid, command, namespace }) => {
    // What runs in a container has a process namespace of its own, but tells by its cgroup.
    const inCgroup = runPattern.exec(read(`/proc/${pid}/cgroup`))?.[1];
    const supervisor = supervisorIn(command) ?? supervisors.get(namespace) ?? inCgroup;
    // By name nothing can be told: the machine may have a containerd of its own.
    return supervisor !== undefined && !isAnothers(supervisor)
      ? [`${pid} ${command.join(" ").trim().slice(0, 120)}`]
      : [];
  });
}

/** The supervisor's process id, from the arguments of the processes around and in front of a lab. */
function supervisorIn(command: readonly string[]): string | undefined {
  const index = command.indexOf(initName);
  return index < 0 ? undefined : command[index + 1]?.split("-")[0];
}

function isAnothers(supervisor: string | undefined): boolean {
  return supervisor !== undefined && Number(supervisor) !== process.pid && read(`/proc/${supervisor}/cmdline`) !== "";
}

function namespaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return "";
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
