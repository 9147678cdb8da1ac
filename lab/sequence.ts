import { scheduleBuilds } from "./builds";
import type { Failures } from "./failures";
import { type Leak, searchCluster, searchFiles, searchProcessArguments } from "./leaks/search";
import type { LabOptions } from "./options";
import type { Phases } from "./phases";
import type { Progress } from "./progress";
import type { PulumiProject } from "./pulumi/project";
import type { LabSecrets } from "./secrets";
import { needlesOf } from "./secrets";
import { changedNothing, touched } from "./stack-checks";
import type { LabSystem } from "./system";
import { lastComplaints } from "./last-complaints";
import { expectedUrns } from "./urns";
import { allEnded, until } from "./waiting";

/** Queues of the committed Pulumi.dev.yaml. */
export const QUEUES = ["default", "docker", "quick"] as const;
/** How long a node may take to come and a build to start, in seconds. */
const PATIENCE = 90;
/** A destroy with a build still running: the pod's grace period, the namespace, the nodes. Seconds. */
const DESTROY_BOUND = 120;

/** What the steps share. */
export interface Run {
  readonly options: LabOptions;
  readonly system: LabSystem;
  readonly dev: PulumiProject;
  readonly createProd: () => Promise<PulumiProject>;
  readonly secrets: LabSecrets;
  readonly phases: Phases;
  readonly progress: Progress;
  readonly failures: Failures;
  readonly signal: AbortSignal;
  readonly leaks: Leak[];
}

/** `preview`, `up`, `preview` and `refresh` of the committed dev stack. */
export async function createDev({ dev, phases, failures, system, signal }: Run): Promise<void> {
  await phases.run("pulumi preview (dev)", async () => {
    failures.succeeded(await dev.preview(), "preview of dev");
  });
  await phases.run("pulumi up (dev)", async () => {
    const result = await dev.up();
    failures.succeeded(result, "up of dev");
    if (!result.ok) {
      throw new Error("nothing can be shown on a stack that did not come up");
    }
    failures.equal(await dev.urns(), await expectedUrns("dev"), "the resources of dev");
  });
  await phases.run("pulumi preview (dev, again)", async () => {
    changedNothing(await dev.preview({ expectNoChanges: true }), "a second preview of dev", failures);
  });
  await phases.run("pulumi refresh (dev)", async () => {
    changedNothing(await dev.refresh({ expectNoChanges: true }), "a refresh of dev", failures);
  });
  await phases.run("two dispatchers ready", () =>
    until("two ready dispatcher replicas", 60, signal, () => system.dispatcherPods.targets().length === 2),
  );
}

/** The builds, with two updates in the middle of them and the prod stack beside them; then back to zero nodes. */
export async function runBuilds(run: Run): Promise<void> {
  const { options, system, phases, progress, failures, signal } = run;
  progress.start();
  await phases.run(`${options.builds} builds over ${QUEUES.length} queues`, async () => {
    const { builds, seed } = options;
    await allEnded(scheduleBuilds(system.buildkite, QUEUES, builds, seed, signal), changeInTheMiddle(run));
    await until(
      "every build to finish",
      PATIENCE + options.builds,
      signal,
      () => system.buildkite.jobs().every(({ state }) => state === "finished"),
      () => `${JSON.stringify(progress.now())}\n${lastComplaints(system.dispatcherPods.logPaths()).join("\n")}`,
    );
  });
  await phases.run("back to zero nodes", () =>
    until("the pool to be empty", PATIENCE, signal, () => system.watch.counts().nodes === 0),
  );
  progress.recorder.stop();
  failures.equal(progress.aboveMaximum, [], "moments with more nodes than maxNodes");
}

/** Another maxNodes and agent image, then another agent token: nothing that runs or waits may notice. */
async function changeInTheMiddle(run: Run): Promise<void> {
  const { options, system, dev, secrets, progress, failures, signal } = run;
  const seen = (share: number) => () => system.buildkite.jobs().length >= Math.floor(options.builds * share);
  const waiting = () => system.watch.counts().pendingPods > 0;
  await until("a quarter of the builds", PATIENCE, signal, seen(0.25));
  await dev.setConfig({
    "buildkite-scale-to-zero:maxNodes": String(options.maxNodes + 2),
    "buildkite-scale-to-zero:queues[0].agentImage": "buildkite/agent:3.138.2",
  });
  progress.mark(
    `pulumi up: maxNodes ${options.maxNodes} -> ${options.maxNodes + 2}, another agent image for one queue`,
  );
  progress.allow(options.maxNodes + 2);
  const changed = await dev.up();
  failures.succeeded(changed, "up in the middle of the builds");
  failures.equal(
    touched(changed),
    [
      // The cap on live Jobs is made of maxNodes, so the dispatcher gets new settings, too, and is rolled.
      ...["create-replacement", "delete-replaced", "replace"].map((op) => `${op} kubernetes:core/v1:ConfigMap`),
      "update gcp:container/nodePool:NodePool",
      "update kubernetes:apps/v1:Deployment",
      "update kubernetes:core/v1:PodTemplate",
    ],
    "what an up with another maxNodes and agent image changes",
  );
  const pending = waiting();
  failures.check(
    pending || options.builds < 100,
    "no pod was pending when the agent token was rotated: the rotation proved nothing",
  );
  system.buildkite.acceptAgentToken(secrets.nextAgentToken);
  await dev.setSecret("buildkite-scale-to-zero:agentToken", secrets.nextAgentToken);
  progress.mark(`pulumi up: another agent token, with ${system.watch.counts().pendingPods} pods pending`);
  const rotated = await dev.up();
  failures.succeeded(rotated, "up with another agent token");
  failures.equal(
    touched(rotated),
    // The agents' and the dispatcher's.
    ["update kubernetes:core/v1:Secret", "update kubernetes:core/v1:Secret"],
    "what an up with another agent token changes",
  );
  system.buildkite.rotateAgentToken(secrets.nextAgentToken);
  progress.mark("the former agent token is revoked");
}

/** The committed prod stack: `preview`, `up`, `preview`, and `destroy` with nothing running. */
export async function tryProd(run: Run): Promise<void> {
  const { phases, failures } = run;
  const prod = await run.createProd();
  try {
    await phases.run("pulumi preview, up, preview (prod)", async () => {
      failures.succeeded(await prod.preview(), "preview of prod");
      failures.succeeded(await prod.up(), "up of prod");
      failures.equal(await prod.urns(), await expectedUrns("prod"), "the resources of prod");
      changedNothing(await prod.preview({ expectNoChanges: true }), "a second preview of prod", failures);
      const outputs = await prod.outputs();
      failures.equal(outputs["webhookUrl"], "https://builds.example.com/webhook", "output webhookUrl of prod");
      failures.check(typeof outputs["webhookAddress"] === "string", "prod has an address for DNS");
    });
    await phases.run("pulumi destroy (prod, nothing running)", async () => {
      failures.succeeded(await prod.destroy(), "destroy of prod");
      failures.equal(await leftOf(prod), [], "resources left by a destroy of prod");
    });
    await searchForLeaks(run, prod);
  } finally {
    await prod.remove();
  }
}

/** `destroy` with a build still running: bounded, and it says what it waits for. */
export async function destroyDev(run: Run, said: readonly string[]): Promise<void> {
  const { system, dev, phases, failures, signal } = run;
  const build = system.buildkite.schedule({ queue: "default", seconds: 600 });
  await phases.run("one long build for the destroy", () =>
    until("the long build to run", PATIENCE, signal, () => build.state === "running"),
  );
  const before = said.length;
  await phases.run("pulumi destroy (dev, a build running)", async () => {
    const result = await dev.destroy();
    failures.succeeded(result, "destroy of dev");
    failures.check(
      result.seconds < DESTROY_BOUND,
      `destroy with a build running took ${result.seconds.toFixed(0)} s, at most ${DESTROY_BOUND} are allowed`,
    );
  });
  failures.check(
    said.slice(before).some((line) => line.startsWith("agents-namespace: ")),
    "destroy with a build running never said what it waited for",
  );
  failures.equal(await leftOf(dev), [], "resources left by a destroy of dev");
  failures.equal(system.gcp.resourceIds(), [], "what is left at Google after both stacks were destroyed");
  failures.check(build.result !== undefined, "the build that was running heard nothing of the destroy");
  await until("the last node to go", 30, signal, () => system.watch.counts().nodes === 0);
}

async function leftOf(project: PulumiProject): Promise<string[]> {
  return (await project.urns()).filter((urn) => !urn.includes("::pulumi:pulumi:Stack::"));
}

/** Looks for this run's secrets in everything that a stack and the cluster hold; findings go to `run.leaks`. */
export async function searchForLeaks(run: Run, project: PulumiProject): Promise<void> {
  const { system, secrets, leaks, phases } = run;
  await phases.run("search for secrets", async () => {
    const needles = needlesOf(secrets, system.buildkite.markers);
    const files = [...project.evidence(), ...system.dispatcherPods.logPaths()];
    leaks.push(
      ...searchFiles(files, needles),
      ...searchProcessArguments(needles),
      ...(await searchCluster(system.client, needles)),
    );
  });
}
