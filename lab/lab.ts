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
import { lookAfter, lookBefore, TEMPORARY_PREFIX } from "./leftovers";
import type { LabOptions } from "./options";
import { getParts, labPartNames } from "./parts";
import { Phases } from "./phases";
import { Progress } from "./progress";
import { createStack } from "./pulumi-stacks";
import type { RunRecorder } from "./report";
import { countsOf, judge, type LabResults, type Measured, partResults } from "./results";
import { createSecrets, needlesOf } from "./secrets";
import { createDev, destroyDev, type Run, runBuilds, searchForLeaks, tryProd } from "./sequence";
import { type LabSystem, startSystem } from "./system";
import { allEnded } from "./waiting";
import { writeResults } from "./write-results";

/** GKE's timers are divided by it: a node boots in 3 s instead of 90, and is idle for 2 s instead of 60. */
export const TIME_SCALE = 30;
/** The checkout that is tried. */
const CHECKOUT = join(__dirname, "..");

type Parts = Awaited<ReturnType<typeof getParts<(typeof labPartNames)[number]>>>;

/** What every step of one run needs. */
interface Context {
  readonly options: LabOptions;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  readonly phases: Phases;
  readonly failures: Failures;
  readonly workDir: string;
  readonly parts: Parts;
  /** Addresses that must not answer any more at the end. */
  readonly urls: string[];
  /** What the leak search looks for; filled as soon as it is known. */
  readonly needles: Needle[];
  /** Hears of the recorder, which outlives what it records. */
  readonly onRecorder: (recorder: RunRecorder) => void;
}

/**
 * The whole run, from the parts to the results; leaves nothing behind, however it ends.
 *
 * @returns what out/lab.json holds.
 */
export async function runLab(
  options: LabOptions,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<LabResults> {
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
  let recorder: RunRecorder | undefined;
  try {
    measured = await measure({
      ...{ options, signal, print, phases, failures, workDir, parts, urls, needles },
      onRecorder: (started) => {
        recorder = started;
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
  return writeResults(join(CHECKOUT, "out"), measured, recorder, end, needles);
}

/** Everything between the first started process and the last stopped one. */
async function measure(context: Context): Promise<Measured> {
  const { options, signal, print, phases, failures, workDir, parts, urls, needles } = context;
  const secrets = createSecrets();
  await using cleanUp = new AsyncDisposableStack();
  const system = await phases.run("control plane, nodes and stand-ins", () =>
    startSystem({
      ...{ parts, workDir, secrets, signal, print },
      seed: options.seed,
      timeScale: TIME_SCALE,
      agentsNamespaces: ["buildkite-dev-agents", "buildkite-prod-agents"],
      poolSelector: "buildkite-scale-to-zero/pool=agents-dev",
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
  const progress = new Progress(system, options.maxNodes, (line) => {
    phases.say(line);
  });
  context.onRecorder(progress.recorder);
  cleanUp.defer(() => {
    progress.recorder.stop();
  });
  const leaks: Leak[] = [];
  const createProd = () => stack("prod");
  const run: Run = { options, system, dev, createProd, secrets, phases, progress, failures, signal, leaks };

  await createDev(run);
  sayAssumptions(system, String((await dev.outputs())["nodePool"]), phases);
  await allEnded(runBuilds(run), tryProd(run));
  await searchForLeaks(run, dev);
  if (options.keep) {
    // Judged now: what a person sends by hand is no part of the run.
    const measured = results(context, run, processWatch, dev.languageHost, system);
    await keepRunning(run, print);
    return measured;
  }
  await destroyDev(run, said);
  await searchForLeaks(run, dev);
  return results(context, run, processWatch, dev.languageHost, system);
}

/** What a node can hold is not known without Google: say what is assumed. */
function sayAssumptions(system: LabSystem, poolName: string, phases: Phases): void {
  const pool = system.gcp.nodePools().find(({ name }) => name === poolName);
  if (pool !== undefined) {
    const { machineType, diskGib } = readPool(pool);
    phases.say(describeAllocatable(machineType, diskGib));
  }
}

function results(
  context: Context,
  run: Run,
  processWatch: ProcessWatch,
  host: "official" | "stand-in",
  system: LabSystem,
): Measured {
  const { options, failures, parts } = context;
  const { progress, leaks } = run;
  const measured: Measured = {
    seed: options.seed,
    builds: options.builds,
    ...countsOf(system, progress),
    secretsFound: [...leaks, ...processWatch.found.values()],
    timeScale: TIME_SCALE,
    parts: partResults(Object.values(parts), host, options.kubernetesPlugin, "kwok"),
  };
  judge(measured, failures);
  for (const buildkite of [system.buildkite, system.prodBuildkite]) {
    failures.equal(buildkite.violations(), [], "calls against the rules of Buildkite's API");
  }
  return measured;
}
