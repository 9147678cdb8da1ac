import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cgroupMount } from "./cgroups";

const commands = ["unshare", "mount", "ip", "sh"] as const;
/** The bit of CAP_SYS_ADMIN in the kernel's mask. */
const sysAdmin = 21n;

/** Why this machine cannot hold a real node in namespaces of its own, with the way out; undefined when it can. */
export function whyNoNamespaces(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (process.platform !== "linux") return `a real node needs Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "a real node needs root: run it with sudo, or in a privileged container";
  if (!hasCapability(sysAdmin)) {
    return "a real node needs the capability CAP_SYS_ADMIN: in a container, start that with --privileged";
  }
  const missing = commands.filter((command) => !onPath(command, env));
  if (missing.length > 0) return `a real node needs ${missing.join(", ")} on PATH (util-linux, iproute2)`;
  if (!existsSync(join(cgroupMount, "cgroup.controllers")) && !existsSync(join(cgroupMount, "memory"))) {
    return `a real node needs control groups mounted at ${cgroupMount}`;
  }
  return undefined;
}

/** Which control groups the machine has. Only v1 was ever tried. */
export function cgroupVersion(): 1 | 2 {
  return existsSync(join(cgroupMount, "cgroup.controllers")) ? 2 : 1;
}

function hasCapability(bit: bigint): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) >> bit) % 2n === 1n;
}

function onPath(command: string, env: NodeJS.ProcessEnv): boolean {
  return (env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
