import { mkdtemp, rm } from "node:fs/promises";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { POOL_LABEL } from "../../components/contract";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { startControlPlane } from "../control-plane";
import { getParts, type Part } from "../parts";
import type { FaultOptions } from "./options";
import { line } from "./results";
import type { FaultResult } from "./row";
import { selectRows } from "./rows";
import { runRow } from "./run-row";
import { POOL } from "./system";

/** `out/faults.json`. */
export interface FaultsResults {
  rows: FaultResult[];
  /** Per row. */
  builds: number;
  /** Real parts with their versions, and what plays the others. */
  parts: { name: string; version: string; kind: "real" | "stand-in" }[];
  machine: Record<string, string>;
  measuredAt: string;
}

const PARTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl"] as const;
const STAND_INS = ["nodes and kubelets (kwok)", "agents (simulated)", "Buildkite (lab/buildkite)"];
const NODES = 8;

/**
 * Runs the chosen rows, one after the other, on one control plane.
 *
 * @throws whatever kept it from it, or the signal's reason; nothing is left behind either way.
 */
export async function runFaults(
  options: FaultOptions,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<FaultsResults> {
  const parts = await getParts(PARTS, { signal, print });
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    const workDir = await mkdtemp(join(tmpdir(), "buildkite-faults-"));
    cleanUp.unshift(() => rm(workDir, { recursive: true, force: true }));
    const controlPlane = await startControlPlane({ parts, workDir, signal, print });
    cleanUp.unshift(() => controlPlane.stop());
    const access = controlPlane.adminKubeconfig;
    const { server, caPem, clientCertPem, clientKeyPem } = access;
    const admin = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
    cleanUp.unshift(() => {
      admin.close();
      return Promise.resolve();
    });
    for (let index = 0; index < NODES; index += 1) {
      await createNode(admin, `faults-${index}`);
    }
    const rows: FaultResult[] = [];
    for (const [index, row] of selectRows(options.only).entries()) {
      signal.throwIfAborted();
      const { builds, webhookOnly } = options;
      const result = await runRow(row, index, { admin, access, builds, webhookOnly, signal });
      print(line(result));
      rows.push(result);
    }
    return {
      rows,
      builds: options.builds,
      parts: [
        ...Object.values<Part>(parts).map(({ name, version }) => ({ name, version, kind: "real" as const })),
        ...STAND_INS.map((name) => ({ name, version: "", kind: "stand-in" as const })),
      ],
      machine: { kernel: release(), node: process.version },
      measuredAt: new Date().toISOString(),
    };
  } finally {
    for (const step of cleanUp) {
      await step();
    }
  }
}

/** Room for more pods than there are builds: no row is about waiting for nodes. */
async function createNode(admin: KubernetesClient, name: string): Promise<void> {
  const resources = { cpu: "200", memory: "800Gi", "ephemeral-storage": "5000Gi", pods: "400" };
  await admin.request("POST", "/api/v1/nodes", {
    body: {
      metadata: { name, labels: { [POOL_LABEL]: POOL }, annotations: { "kwok.x-k8s.io/node": "fake" } },
      status: { allocatable: resources, capacity: resources },
    },
  });
}
