import { release } from "node:os";
import type { RealParts } from "../real-parts";

const DEBIAN = ["runc", "tini", "git", "iptables", "containernetworking-plugins"] as const;

/** Versions of every real part of a run, by name. */
export function versionsOf({ parts, packages }: RealParts): Record<string, string> {
  const own = Object.values(parts).filter(({ name }) => name !== "pulumi");
  const debian = DEBIAN.flatMap((name) => {
    const version = packages.versions[name];
    return version === undefined ? [] : [[`${name} (${packages.distribution})`, version] as const];
  });
  return {
    ...Object.fromEntries(own.map(({ name, version }) => [name, version])),
    ...Object.fromEntries(debian),
    linux: release(),
  };
}
