import { readdirSync, readFileSync } from "node:fs";
import type { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { findNeedles, type Needle } from "./needles";

/** A secret that was found where it must not be. */
export interface Leak {
  readonly secret: string;
  readonly place: string;
}

/** Looks through files. A file that went away in the meantime is nobody's leak. */
export function searchFiles(files: readonly string[], needles: readonly Needle[]): Leak[] {
  return files.flatMap((place) => {
    const content = readIfThere(place);
    return content === undefined ? [] : findNeedles(content, needles).map((secret) => ({ secret, place }));
  });
}

/** Looks through the arguments of every process of this machine: anybody may read those. */
export function searchProcessArguments(needles: readonly Needle[]): Leak[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => {
      const content = readIfThere(`/proc/${pid}/cmdline`);
      if (content === undefined) {
        return [];
      }
      const command = content.toString().split("\0")[0] ?? "";
      return findNeedles(content, needles).map((secret) => ({ secret, place: `arguments of a process: ${command}` }));
    });
}

const COLLECTIONS = [
  "/api/v1/configmaps",
  "/api/v1/events",
  "/api/v1/pods",
  "/api/v1/podtemplates",
  "/api/v1/namespaces",
  "/api/v1/serviceaccounts",
  "/api/v1/services",
  "/apis/apps/v1/deployments",
  "/apis/apps/v1/replicasets",
  "/apis/batch/v1/jobs",
  "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
  "/apis/networking.k8s.io/v1/ingresses",
] as const;

/** Looks through every object of the cluster that is not a Secret. */
export async function searchCluster(client: KubernetesClient, needles: readonly Needle[]): Promise<Leak[]> {
  const leaks: Leak[] = [];
  for (const place of COLLECTIONS) {
    const content = Buffer.from(JSON.stringify(await client.request("GET", place)));
    leaks.push(...findNeedles(content, needles).map((secret) => ({ secret, place })));
  }
  return leaks;
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
