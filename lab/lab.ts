import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as esbuild from "esbuild";
import { describeAllocatable, readPool } from "./autoscaler";
import { Failures } from "./failures";
import { keepRunning } from "./keep";
import type { Needle } from "./leaks/needles";
import type { Leak } from "./leaks/search";
import { ProcessWatch } from "./leaks/process-watch";
import { type LabOutput, liveSystem } from "./live";
import { lookAfter, lookBefore, TEMPORARY_PREFIX } from "./leftovers";
import type { LabOptions } from "./options";
import { getParts, labPartNames } from "./parts";
import { Phases } from "./phases";
import { Progress } from "./progress";
import { createStack } from "./pulumi-stacks";
import { ClusterRecord } from "./record";
import { costOfRun, type Recording } from "./recording";
import type { PricedPool } from "./report";
import { countsOf, judge, type LabResults, type Measured, partResults } from "./results";
import { createSecrets, needlesOf } from "./secrets";
import { createDev, destroyDev, type Run, runBuilds, searchForLeaks, tryProd } from "./sequence";
import { type LabSystem, startSystem } from "./system";
import { allEnded } from "./waiting";
import { writeResults } from "./write-results";

/** GKE's timers are divided by it: a node boots in 3 s instead of 90, and is idle for 2 s instead of 60. */
export const TIME_SCALE = 30;
/** The nodes of the dev stack. */
const POOL_SELECTOR = "buildkite-scale-to-zero/pool=agents-dev";
/** The checkout that is tried. */
const CHECKOUT = join(__dirname, "..");

type Parts = Awaited<ReturnType<typeof getParts<(typeof labPartNames)[number]>>>;

/** What the nodes are. */
interface Pool extends PricedPool {
  readonly diskGib: number;
}

/** What every step of one run needs. */
interface Context {
  readonly options: LabOptions;
  readonly signal: AbortSignal;
  readonly output: LabOutput;
  readonly phases: Phases;
  readonly failures: Failures;
  readonly workDir: string;
  readonly parts: Parts;
  /** Addresses that must not answer any more at the end. */
  readonly urls: string[];
  /** What the leak search looks for; filled as soon as it is known. */
  readonly needles: Needle[];
  /** Hears of the recorders, which outlive what they record. */
  readonly onRecording: (recording: Recording) => void;
}

/**
 * The whole run, from the parts to the results; leaves nothing behind, however it ends.
 *
 * @returns what out/lab.json holds.
 */
export async function runLab(options: LabOptions, signal: AbortSignal, output: LabOutput): Promise<LabResults> {
  const { print } = output;
  const started = Date.now();
  // First, because it says first what will be fetched or built and how long that takes.
  const parts = await getParts(labPartNames, { signal, print });
  const phases = new Phases(print);
  const failures = new Failures((line) => {
    phases.say(line);
  });
  const before = lookBefore(CHECKOUT);
  const workDir = await mkdtemp(join(tmpdir(), TEMPORARY_PREFIX));
  // The dispatcher's processes run as the container's user and must get through; nobody can list it.
  await chmod(workDir, 0o711);
  process.env["TMPDIR"] = workDir;
  const urls: string[] = [];
  const needles: Needle[] = [];
  let measured: Measured | undefined;
  let recording: Recording | undefined;
  try {
    measured = await measure({
      ...{ options, signal, output, phases, failures, workDir, parts, urls, needles },
      onRecording: (started) => {
        recording = started;
      },
    });
  } catch (error) {
    failures.check(false, signal.aborted ? "interrupted" : error instanceof Error ? error.message : String(error));
  } finally {
    // It bundled the provider doubles, and lives as long as we do unless told.
    await esbuild.stop();
    await rm(workDir, { recursive: true, force: true, maxRetries: 5 });
  }
  const leftovers = await lookAfter(before, CHECKOUT, workDir, urls);
  failures.equal(leftovers, [], "what the run left behind");
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  const end = { leftovers, failures: failures.texts, phases: phases.finished, seconds };
  return writeResults(join(CHECKOUT, "out"), measured, recording, end, needles);
}

/** Everything between the first started process and the last stopped one. */
async function measure(context: Context): Promise<Measured> {
  const { options, signal, output, phases, failures, workDir, parts, urls, needles } = context;
  const { print } = output;
  output.follow(() => phases.now());
  const secrets = createSecrets();
  await using cleanUp = new AsyncDisposableStack();
  const system = await phases.run("control plane, nodes and stand-ins", () =>
    startSystem({
      ...{ parts, workDir, secrets, signal, print },
      seed: options.seed,
      timeScale: TIME_SCALE,
      agentsNamespaces: ["buildkite-dev-agents", "buildkite-prod-agents"],
      poolSelector: POOL_SELECTOR,
      onError: (part, error) => {
        phases.say(`${part}: ${error instanceof Error ? error.message : String(error)}`);
      },
    }),
  );
  cleanUp.defer(() => phases.run("stopping everything", () => system.stop()));
  urls.push(system.controlPlane.server, system.gcp.url, system.buildkite.url, system.prodBuildkite.url);
  needles.push(...needlesOf(secrets, system.buildkite.markers));
  const processWatch = new ProcessWatch(needles);
  cleanUp.defer(() => {
    processWatch.stop();
  });

  const cluster = new ClusterRecord({ client: system.client, poolSelector: POOL_SELECTOR });
  cleanUp.defer(() => {
    cluster.stop();
  });
  await cluster.start();

  const said: string[] = [];
  const stack = (name: "dev" | "prod") =>
    createStack(name === "prod" ? { ...system, buildkite: system.prodBuildkite } : system, {
      ...{ checkout: CHECKOUT, stack: name, workDir, cli: parts.pulumi.path, secrets, signal },
      kubernetesPlugin: options.kubernetesPlugin,
      maxNodes: name === "dev" ? options.maxNodes : undefined,
      print: (line) => {
        said.push(line);
        // Every object says so for an instant; what takes longer says more.
        if (!line.endsWith("(foregroundDeletion)")) {
          phases.say(`  ${line}`);
        }
      },
    });
  const dev = await phases.run("project copy, stack init, secrets (dev)", () => stack("dev"));
  cleanUp.defer(() => dev.remove());
  const say = (line: string) => {
    phases.say(line);
  };
  const progress = new Progress(system, options.maxNodes, say, output.live ? () => undefined : say);
  const recording: Recording = { recorder: progress.recorder, cluster, jobs: () => system.buildkite.jobs() };
  context.onRecording(recording);
  output.follow(() => ({ ...phases.now(), system: liveSystem(system, cluster, progress) }));
  cleanUp.defer(() => {
    progress.recorder.stop();
  });
  const leaks: Leak[] = [];
  const createProd = () => stack("prod");
  const run: Run = { options, system, dev, createProd, secrets, phases, progress, failures, signal, leaks };

  await createDev(run);
  const pool = poolOf(system, String((await dev.outputs())["nodePool"]));
  if (pool !== undefined) {
    // What a node can hold is not known without Google: say what is assumed.
    phases.say(describeAllocatable(pool.machineType, pool.diskGib));
  }
  await allEnded(runBuilds(run), tryProd(run));
  await searchForLeaks(run, dev);
  if (options.keep) {
    // Judged now: what a person sends by hand is no part of the run.
    const measured = results(context, run, processWatch, dev.languageHost, { recording, pool });
    output.end();
    await keepRunning(run, print);
    return measured;
  }
  await destroyDev(run, said);
  await searchForLeaks(run, dev);
  return results(context, run, processWatch, dev.languageHost, { recording, pool });
}

/** What the dev stack's nodes are; undefined when there is no such pool. */
function poolOf(system: LabSystem, name: string): Pool | undefined {
  const declared = system.gcp.nodePools().find((pool) => pool.name === name);
  if (declared === undefined) {
    return undefined;
  }
  const { machineType, diskGib, labels } = readPool(declared);
  return { machineType, diskGib, spot: labels["cloud.google.com/gke-spot"] === "true" };
}

function results(
  context: Context,
  run: Run,
  processWatch: ProcessWatch,
  host: "official" | "stand-in",
  { recording, pool }: { readonly recording: Recording; readonly pool: Pool | undefined },
): Measured {
  const { options, failures, parts } = context;
  const { progress, leaks, system } = run;
  const measured: Measured = {
    seed: options.seed,
    builds: options.builds,
    ...countsOf(system, progress),
    secretsFound: [...leaks, ...processWatch.found.values()],
    timeScale: TIME_SCALE,
    cost: pool === undefined ? undefined : costOfRun(recording, pool, TIME_SCALE),
    parts: partResults(Object.values(parts), host, options.kubernetesPlugin, "kwok"),
  };
  judge(measured, failures);
  for (const buildkite of [system.buildkite, system.prodBuildkite]) {
    failures.equal(buildkite.violations(), [], "calls against the rules of Buildkite's API");
  }
  return measured;
}
