import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupMount, cgroupPrefix } from "./cgroups";

/** What a lab with a real node could leave behind on the machine. */
export interface HostState {
  /** Names of network devices. */
  links: readonly string[];
  /** Mount points, each as often as something is mounted there. */
  mounts: readonly string[];
  /** Every folder of every cgroup hierarchy. */
  cgroups: readonly string[];
  /** Commands of the processes that belong to such a lab, with their ids. */
  processes: readonly string[];
  /** Kernel settings that a kubelet would change. */
  settings: readonly string[];
}

/** Programs that only a real node starts. */
const programs = /^(containerd|containerd-shim-runc-v2|kubelet|kube-proxy|runc|ctr|dockerd|docker-proxy|lab-init)$/;
const settings = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"];

/** Looks at the machine, not at what is inside another lab's namespaces, of which only processes and cgroups can be seen. */
export function readHostState(): HostState {
  return {
    links: links(),
    mounts: mounts(),
    cgroups: folders(cgroupMount),
    processes: processes(),
    settings: settings.map((name) => `${name} = ${read(`/proc/sys/${name}`).trim()}`),
  };
}

/**
 * What is there after a run that was not there before it, and what it changed.
 *
 * @param except run ids of other labs that run at the same time.
 */
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
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const command = read(`/proc/${pid}/cmdline`).split("\0");
      const program = command[0]?.split("/").at(-1) ?? "";
      const ours = programs.test(program) || command.includes("lab-init") || inOurCgroup(pid);
      return ours ? [`${pid} ${command.join(" ").trim().slice(0, 120)}`] : [];
    });
}

function inOurCgroup(pid: string): boolean {
  return read(`/proc/${pid}/cgroup`).includes(`/${cgroupPrefix}`);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
