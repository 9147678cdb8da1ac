import { release } from "node:os";
import { getPackages, type DebianPackages } from "../debian";
import { buildImages, type Images } from "../images";
import { getParts, type Part, realNodePartNames } from "../parts";

const CONTROL_PLANE = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
  "kwokctl",
] as const;
const NAMES = [...CONTROL_PLANE, ...realNodePartNames] as const;

/** What a real cluster is made of. */
export interface Ingredients {
  readonly parts: Record<(typeof NAMES)[number], Part>;
  readonly packages: DebianPackages;
  readonly images: Images;
}

/**
 * Gets parts, packages and images. The first time that takes minutes and a network; afterwards everything is cached, and
 * it can be called where there is no network.
 */
export async function getIngredients(print: (line: string) => void, signal: AbortSignal): Promise<Ingredients> {
  const parts = await getParts(NAMES, { print, signal });
  const packages = await getPackages({ print, signal });
  return { parts, packages, images: await buildImages({ parts, packages, print, signal }) };
}

/** Versions of everything real, by name. */
export function versionsOf({ parts, packages }: Ingredients): Record<string, string> {
  const debian = ["runc", "tini", "git", "iptables", "containernetworking-plugins"].flatMap((name) => {
    const version = packages.versions[name];
    return version === undefined ? [] : [[`${name} (${packages.distribution})`, version] as const];
  });
  return {
    ...Object.fromEntries(Object.values(parts).map(({ name, version }) => [name, version])),
    ...Object.fromEntries(debian),
    linux: release(),
  };
}
