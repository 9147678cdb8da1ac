import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Failures } from "../failures";
import { cgroupVersion, type Inside } from "../namespaces";
import type { LabOptions } from "../options";
import { Phases } from "../phases";
import type { PulumiProject } from "../pulumi/project";
import { createStack } from "../pulumi-stacks";
import { getRealParts, type RealParts } from "../real-parts";
import { partResults } from "../results";
import { createSecrets } from "../secrets";
import { changedNothing } from "../stack-checks";
import { dispatcherRestarts, judgeDispatchers, readDispatchers } from "./dispatcher-processes";
import { CRASHING_QUEUE } from "./crashing-dind";
import { REAL_QUEUES } from "./real-builds";
import {
  type DispatcherProcess,
  type GivenUpBuild,
  REAL_NODE_UNPROVEN,
  type RealBuild,
  type RealNodeResults,
} from "./results";
import { runRealBuilds } from "./run-real-builds";
import { type RealSystem, startRealSystem } from "./system";

const CHECKOUT = join(__dirname, "..", "..");

/** What the steps share. */
interface Context {
  readonly options: LabOptions;
  readonly inside: Inside;
  readonly signal: AbortSignal;
  readonly phases: Phases;
  readonly failures: Failures;
  readonly real: RealParts;
  readonly builds: RealBuild[];
  readonly dispatchers: DispatcherProcess[];
  givenUp?: GivenUpBuild;
}

/**
 * The whole system with everything real that can be: `pulumi up` of the dev stack, the dispatcher in its Deployment on one
 * real node, builds with the real agent and a real dockerd on another. Only in the inner process of `runInNamespaces`.
 *
 * @returns what out/real-node.json holds.
 */
export async function runRealNodeLab(
  options: LabOptions,
  inside: Inside,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<RealNodeResults> {
  const started = Date.now();
  const phases = new Phases(print);
  const failures = new Failures((line) => {
    phases.say(line);
  });
  const real = await getRealParts({ signal, print });
  const context: Context = { options, inside, signal, phases, failures, real, builds: [], dispatchers: [] };
  let host: PulumiProject["languageHost"] = "stand-in";
  try {
    host = await measure(context, print);
  } catch (error) {
    failures.check(false, error instanceof Error ? error.message : String(error));
  }
  const results: RealNodeResults = {
    ok: failures.texts.length === 0,
    cgroup: cgroupVersion() === 1 ? "v1" : "v2",
    builds: context.builds,
    givenUp: context.givenUp,
    dispatchers: context.dispatchers,
    failures: failures.texts,
    // The supervisor outside adds what it finds on the machine.
    leftovers: [],
    phases: phases.finished,
    seconds: Math.round((Date.now() - started) / 100) / 10,
    parts: partResults(Object.values(real.parts), host, options.kubernetesPlugin, "real"),
    unproven: REAL_NODE_UNPROVEN,
  };
  await mkdir(join(CHECKOUT, "out"), { recursive: true });
  await writeFile(join(CHECKOUT, "out", "real-node.json"), `${JSON.stringify(results, null, 2)}\n`);
  return results;
}

async function measure(context: Context, print: (line: string) => void): Promise<PulumiProject["languageHost"]> {
  const { options, inside, signal, phases, real, failures } = context;
  const secrets = createSecrets();
  await using cleanUp = new AsyncDisposableStack();
  const { workDir, cgroup } = inside;
  const system = await phases.run("control plane, stand-ins and the dispatcher's node", () =>
    startRealSystem({ ...real, workDir, cgroup, secrets, seed: options.seed, signal, print }),
  );
  cleanUp.defer(() => phases.run("stopping everything", () => system.stop()));
  const dev = await phases.run("project copy, stack init, secrets (dev)", () =>
    createStack(system, {
      ...{ checkout: CHECKOUT, stack: "dev", workDir, cli: real.parts.pulumi.path, secrets, signal },
      kubernetesPlugin: options.kubernetesPlugin,
      config: stackConfig(real, system),
      print: (line) => {
        phases.say(`  ${line}`);
      },
    }),
  );
  cleanUp.defer(() => dev.remove());

  await phases.run("pulumi up (dev): until the dispatcher is ready on its node", async () => {
    const up = await dev.up();
    failures.succeeded(up, "up of dev");
    if (!up.ok) {
      throw new Error("nothing can be shown on a stack that did not come up");
    }
  });
  await phases.run("pulumi preview (dev, again)", async () => {
    changedNothing(await dev.preview({ expectNoChanges: true }), "a second preview of dev", failures);
  });
  const outputs = await dev.outputs();
  const namespaces = { dispatcher: String(outputs["dispatcherNamespace"]), agents: String(outputs["agentsNamespace"]) };
  context.dispatchers.push(...(await readDispatchers(system.client, namespaces.dispatcher, system.systemNode)));
  judgeDispatchers(context.dispatchers, failures);

  context.givenUp = await runRealBuilds({ ...context, system, namespaces, poolName: String(outputs["nodePool"]) });
  failures.equal(await dispatcherRestarts(system.client, namespaces.dispatcher), 0, "restarts of dispatchers");
  failures.equal(system.buildkite.violations(), [], "calls against the rules of Buildkite's API");
  await phases.run("pulumi destroy (dev)", async () => {
    failures.succeeded(await dev.destroy(), "destroy of dev");
  });
  return dev.languageHost;
}

/** The committed dev stack but for images made here, Buildkite's address, and requests that fit this machine. */
function stackConfig({ images }: RealParts, { buildkite }: RealSystem): Record<string, string> {
  const project = "buildkite-scale-to-zero";
  const all = [
    ...REAL_QUEUES.map(({ key, sidecar }) => ({ key, sidecar, dind: images.dind })),
    { key: CRASHING_QUEUE, sidecar: "native", dind: images.agent },
  ];
  const queues = all.flatMap(({ key, sidecar, dind }, index): [string, string][] => {
    const queue = `${project}:queues[${index}]`;
    return [
      [`${queue}.key`, key],
      [`${queue}.sidecar`, sidecar],
      [`${queue}.agentImage`, images.agent.reference],
      [`${queue}.dindImage`, dind.reference],
      [`${queue}.env.BUILDKITE_AGENT_ENDPOINT`, `${buildkite.url}/v3`],
      [`${queue}.resources.agent.cpu`, "100m"],
      [`${queue}.resources.agent.memory`, "512Mi"],
      [`${queue}.resources.dind.cpu`, "200m"],
      [`${queue}.resources.dind.memory`, "1Gi"],
      [`${queue}.resources.dind.ephemeralStorage`, "1Gi"],
    ];
  });
  return { [`${project}:nodeImage`]: images.node.reference, ...Object.fromEntries(queues) };
}
