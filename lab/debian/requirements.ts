import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const commands = ["apt-get", "dpkg", "dpkg-deb", "tar"] as const;
const need =
  "a real node takes runc, iptables and the content of its images from the packages of a Debian or Ubuntu machine";

/** Why this machine cannot get Debian packages, with the way out; undefined when it can. Asks nobody: see `getPackages`. */
export function whyNoPackages(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (process.platform !== "linux") return `${need}; this is ${process.platform}`;
  const missing = commands.filter((command) => !onPath(command, env));
  if (missing.length === 0) return undefined;
  return `${need}; here ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing: use a machine with apt`;
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
