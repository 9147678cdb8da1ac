import { mkdtemp, rm } from "node:fs/promises";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { runAll } from "../clean-up";
import { startControlPlane } from "../control-plane";
import { getParts, type Part } from "../parts";
import { watchTemplates } from "./job-policies";
import { createNodes } from "./nodes";
import type { FaultOptions } from "./options";
import { RowProgress, type Screen } from "./progress";
import { head, line } from "./results";
import type { FaultResult } from "./row";
import { ROWS, selectRows } from "./rows";
import { runRow, type RowContext } from "./run-row";
import { POOL } from "./system";

/** `out/faults.json`. */
export interface FaultsResults {
  rows: FaultResult[];
  /** Rows that were asked for and have no result, each with the reason. */
  notRun: { fault: string; reason: string }[];
  /** Per row. */
  builds: number;
  /** Equal seeds give the same jobs and the same chance. */
  seed: number;
  /** Real parts with their versions, and what plays the others. */
  parts: { name: string; version: string; kind: "real" | "stand-in" }[];
  machine: Record<string, string>;
  measuredAt: string;
}

const PARTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl"] as const;
const STAND_INS = ["nodes and kubelets (kwok)", "agents (simulated)", "Buildkite (lab/buildkite)"];
/** Room for more pods than there are builds: few rows are about waiting for nodes, and those have nodes of their own. */
const PODS_PER_NODE = Array.from({ length: 8 }, () => 400);

/**
 * Runs the chosen rows, one after the other, on one control plane. A row that could not be run is among the results with
 * its reason, and so is every row that an interruption kept from being run.
 *
 * @throws whatever kept it from running any; nothing is left behind either way.
 */
export async function runFaults(options: FaultOptions, signal: AbortSignal, screen: Screen): Promise<FaultsResults> {
  const print = (text: string): void => {
    screen.write(`${text}\n`);
  };
  const parts = await getParts(PARTS, { signal, print });
  const cleanUp: (() => unknown)[] = [];
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
    });
    await watchTemplates(admin);
    await createNodes(admin, POOL, PODS_PER_NODE);
    const { builds, seed, webhookOnly } = options;
    print(`\n${head()}`);
    return {
      ...(await runRows(options, { admin, access, builds, webhookOnly, signal }, screen)),
      ...{ builds, seed },
      parts: [
        ...Object.values<Part>(parts).map(({ name, version }) => ({ name, version, kind: "real" as const })),
        ...STAND_INS.map((name) => ({ name, version: "", kind: "stand-in" as const })),
      ],
      machine: { kernel: release(), node: process.version },
      measuredAt: new Date().toISOString(),
    };
  } finally {
    await runAll(cleanUp);
  }
}

/** A call, because the compiler takes a property that was read before an `await` as unchanged after it. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function runRows(
  { only, seed }: FaultOptions,
  context: Omit<RowContext, "namespace" | "seed">,
  screen: Screen,
): Promise<Pick<FaultsResults, "rows" | "notRun">> {
  const { signal } = context;
  const rows: FaultResult[] = [];
  const notRun: FaultsResults["notRun"] = [];
  const chosen = selectRows(only);
  for (const [index, row] of chosen.entries()) {
    if (signal.aborted) {
      notRun.push({ fault: row.name, reason: "interrupted" });
      continue;
    }
    const progress = new RowProgress(row, `${index + 1} of ${chosen.length}`, screen);
    // By its place among all rows: a row that is run alone is the same as among the others.
    const number = ROWS.indexOf(row);
    const own = { namespace: `faults-${number}`, seed: seed + number };
    let said: string;
    try {
      const onSystem = progress.follow.bind(progress);
      const result = await runRow(row, { ...context, ...own, onSystem });
      rows.push(result);
      said = line(result);
    } catch (error) {
      const reason = isAborted(signal) ? "interrupted" : error instanceof Error ? error.message : String(error);
      notRun.push({ fault: row.name, reason });
      said = `${row.name}\n  COULD NOT BE RUN: ${reason}`;
    } finally {
      progress.stop();
    }
    screen.write(`${said}\n`);
  }
  return { rows, notRun };
}
