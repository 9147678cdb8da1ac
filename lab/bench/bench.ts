import { mkdtemp, rm } from "node:fs/promises";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { KubernetesClient } from "../../dispatcher/kubernetes/client";
import { runAll } from "../clean-up";
import { startControlPlane, type ControlPlaneParts } from "../control-plane";
import { getParts, type Part } from "../parts";
import { judgeAims } from "./aims";
import { scaleOf, type BenchResults, type Measured } from "./bench-results";
import { burstWithoutWebhooks } from "./burst";
import type { BenchContext } from "./context";
import { measureGrowth } from "./growth";
import { measureLost } from "./lost";
import { measureBlocks, measureSingle } from "./measure-blocks";
import { measureNodes } from "./nodes";
import type { BenchOptions } from "./options";
import { pauseControllers } from "./pause";
import { apiProcesses } from "./process-cpu";
import { SIZES, type Scenario, type Sizes } from "./scenarios";
import { measureSteady } from "./steady";

const PARTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl"] as const;
const STAND_INS = [
  "Buildkite (lab/buildkite)",
  "a polling controller (lab/bench/polling-controller.ts)",
  "nodes and kubelets (kwok)",
  "agents (lab/agents)",
];

/**
 * Measures.
 *
 * @throws whatever kept it from it, or the signal's reason; nothing is left behind either way.
 */
export async function runBench(
  options: BenchOptions,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<BenchResults> {
  const began = performance.now();
  const parts = await getParts(PARTS, { signal, print });
  const measured = await measure(options, parts, signal, print);
  return {
    ...measured,
    aims: judgeAims(measured),
    size: options.size,
    seconds: Math.round((performance.now() - began) / 1000),
    machine: {
      cpus: cpus().length,
      cpu: cpus()[0]?.model ?? "unknown",
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      node: process.version,
    },
    parts: [
      ...Object.values<Part>(parts).map(({ name, version }) => ({ name, version, kind: "real" as const })),
      ...STAND_INS.map((name) => ({ name, version: "", kind: "stand-in" as const })),
    ],
    measuredAt: new Date().toISOString(),
  };
}

async function measure(
  options: BenchOptions,
  parts: ControlPlaneParts,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<Measured> {
  const asks = (...scenarios: Scenario[]): boolean => scenarios.some((one) => options.scenarios.includes(one));
  const cleanUp: (() => unknown)[] = [];
  try {
    const workDir = await mkdtemp(join(tmpdir(), "buildkite-bench-"));
    cleanUp.unshift(() => rm(workDir, { recursive: true, force: true }));
    const controlPlane = await startControlPlane({ parts, workDir, signal, print });
    cleanUp.unshift(() => controlPlane.stop());
    const access = controlPlane.adminKubeconfig;
    const { server, caPem, clientCertPem, clientKeyPem } = access;
    const admin = new KubernetesClient({ server, ca: caPem, clientCert: clientCertPem, clientKey: clientKeyPem });
    cleanUp.unshift(() => {
      admin.close();
    });
    const resume = await pauseControllers(controlPlane.pids());
    cleanUp.unshift(resume);
    let namespaces = 0;
    const namespace = (): string => `bench-${(namespaces += 1)}`;
    const sizes = SIZES[options.size];
    const processes = await apiProcesses(controlPlane.pids());
    const context: BenchContext = { options, sizes, admin, access, processes, signal, print, namespace };

    const measured: Measured = {
      ...(asks("blocks") ? await measureBlocks(context) : {}),
      ...(asks("single") ? { single: await measureSingle(context) } : {}),
      ...(asks("burst", "growth") ? scaleOf(await measureGrowth(context, sizesOf(options, sizes))) : {}),
      ...(asks("steady") ? { steady: await told(context, "an even pace", measureSteady(context)) } : {}),
      ...(asks("reconcile")
        ? { reconcileOnly: await told(context, "no webhooks", burstWithoutWebhooks(context, sizes.reconcile)) }
        : {}),
      ...(asks("lost") ? { lostWebhooks: await told(context, "lost webhooks", measureLost(context)) } : {}),
    };
    if (!asks("nodes")) {
      return measured;
    }
    // The nodes' control plane is another one: this one's Jobs would all get their pods there.
    await runAll(cleanUp.splice(0));
    return { ...measured, nodes: await measureNodes(context, parts) };
  } finally {
    await runAll(cleanUp);
  }
}

/** The burst's size and those of the growth, each once. */
function sizesOf(options: BenchOptions, sizes: Sizes): number[] {
  const burst = options.scenarios.includes("burst") ? [sizes.burst] : [];
  const growth = options.scenarios.includes("growth") ? sizes.growth : [];
  return [...new Set([...burst, ...growth])].sort((a, b) => a - b);
}

async function told<T>({ print }: BenchContext, what: string, measuring: Promise<T>): Promise<T> {
  print(`bench: ${what}`);
  return await measuring;
}
