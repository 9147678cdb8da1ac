import { setTimeout as sleep } from "node:timers/promises";
import { stamp } from "../../components/stamp";
import type { ConformanceCase } from "./case";
import { removeRun } from "./clean-up";
import type { ConformanceCluster } from "./cluster";
import { differences } from "./expected";
import type { Meeting } from "./meeting";
import type { Mode } from "./modes";
import { agentExitOf, isSettled, jobResultOf, type Observation, podEnd, podPhaseOf, timesOf } from "./observation";
import type { CaseResult } from "./results";
import { Run } from "./run";
import { NAMESPACE, templateOf } from "./template";

const POLL_MS = 20;
/** A whole case, whatever its own waits say: nothing may hang the run. */
const LONGEST_CASE_SECONDS = 400;

/**
 * Runs one case in one mode, from the job's scheduling to the last trace of its pod.
 *
 * Never throws: what went wrong stands in the note of a result that is not as documented.
 */
export async function runCase(
  cluster: ConformanceCluster,
  definition: ConformanceCase,
  mode: Mode,
  round: number,
  meeting?: Meeting,
): Promise<CaseResult> {
  const began = Date.now();
  const signal = AbortSignal.any([cluster.signal, AbortSignal.timeout(LONGEST_CASE_SECONDS * 1000)]);
  const node = definition.disturbs === true ? cluster.disturbedNode : cluster.node;
  const queue = cluster.nextQueue();
  const repository = cluster.git.urlOf("web");
  const request = { queue, command: "echo begun", ...definition.build?.(mode, { repository }) };
  const run = new Run(cluster, node, mode, cluster.buildkite.schedule(request), signal, meeting);
  const broken: string[] = [];
  try {
    await definition.prepare?.(run);
    await createJob(cluster, definition, run, queue);
    run.begin();
    await definition.blow?.(run);
    await settle(run, definition);
    await definition.look?.(run, run.observe());
  } catch (error) {
    broken.push(cluster.signal.aborted ? "interrupted" : error instanceof Error ? error.message : String(error));
  } finally {
    run.end();
  }
  const seen = run.observe();
  const running = stillRunning(seen);
  let stuck: string[] = [];
  try {
    // After an interruption everything goes at once.
    stuck = cluster.signal.aborted ? [] : await removeRun(cluster.client, cluster.watch, run.jobName, seen.pod?.uid);
  } catch (error) {
    stuck = [`could not be removed: ${error instanceof Error ? error.message : String(error)}`];
  }
  const seconds = Math.round((Date.now() - began) / 100) / 10;
  return { ...rowOf(definition, seen, run, { broken, running, stuck }), round, seconds };
}

async function createJob(
  cluster: ConformanceCluster,
  definition: ConformanceCase,
  { mode, node, build, signal }: Run,
  queue: string,
): Promise<void> {
  const { agentImage, dindImage, buildkite, client } = cluster;
  const setting = { agentImage, dindImage, endpoint: `${buildkite.url}/v3`, nodeName: node.name };
  const template = templateOf(setting, mode, queue, definition.template?.(mode) ?? {});
  const body = stamp(template, { uuid: build.id, queue, pipeline: build.pipeline });
  await client.request("POST", `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`, { body, signal });
}

/** Waits until nothing more can happen, or it has taken too long. */
async function settle(run: Run, { patience = 150, postWindow = 15 }: ConformanceCase): Promise<void> {
  const deadline = Date.now() + patience * 1000;
  for (;;) {
    const seen = run.observe();
    const agentEnd = seen.agent.endedAt;
    const watched = run.mode === "post" && agentEnd !== undefined && Date.now() > agentEnd + postWindow * 1000;
    if (isSettled(seen) || watched || Date.now() > deadline) {
      return;
    }
    await sleep(POLL_MS, undefined, { signal: run.signal });
  }
}

/** What should have ended with the agent and did not. */
function stillRunning({ agent, dind, pod, endedAt }: Observation): string[] {
  const after =
    agent.endedAt === undefined ? "" : ` ${((endedAt - agent.endedAt) / 1000).toFixed(0)} s after its agent's end`;
  return [
    ...(agent.startedAt !== undefined && agent.endedAt === undefined ? ["container agent still runs"] : []),
    ...(dind.startedAt !== undefined && dind.endedAt === undefined ? [`container dind still runs${after}`] : []),
    ...(pod !== undefined && podEnd(pod) === undefined ? [`the pod is still ${pod.phase}${after}`] : []),
  ];
}

interface Rest {
  /** The case itself could not go on. */
  readonly broken: readonly string[];
  readonly running: readonly string[];
  /** Could not be removed, not even by force. */
  readonly stuck: readonly string[];
}

function rowOf(
  definition: ConformanceCase,
  seen: Observation,
  run: Run,
  { broken, running, stuck }: Rest,
): Omit<CaseResult, "round" | "seconds"> {
  const { mode } = seen;
  const always = [...broken, ...stuck.map((one) => `left behind: ${one}`)];
  const faults = [...differences(definition.expected(mode), seen), ...run.faults, ...running, ...always];
  const record = mode === "post" ? definition.documented : undefined;
  const wrong =
    record === undefined
      ? faults
      : [...differences(record, seen), ...unlike(record.faults ?? [], run.faults), ...always];
  const { agentEndToDindEndMs, agentEndToPodTerminalMs, agentEndToJobTerminalMs, ...more } = timesOf(seen);
  return {
    ...{ case: definition.name, mode, ok: faults.length === 0, asDocumented: wrong.length === 0 },
    agentExit: agentExitOf(seen.buildkite),
    agentCode: seen.agent.exitCode ?? null,
    dindCode: seen.dind.exitCode ?? null,
    podPhase: podPhaseOf(seen.pod),
    podReason: seen.pod?.reason ?? "",
    jobResult: jobResultOf(seen.job),
    agentEndToDindEndMs: agentEndToDindEndMs ?? null,
    agentEndToPodTerminalMs: agentEndToPodTerminalMs ?? null,
    agentEndToJobTerminalMs: agentEndToJobTerminalMs ?? null,
    dindStartToAgentStartMs: more.dindStartToAgentStartMs ?? null,
    dockerFirstAnswerMs: more.dockerFirstAnswerMs ?? null,
    actToBuildkiteKnowsMs: more.actToBuildkiteKnowsMs ?? null,
    scheduledToFirstLogMs: more.scheduledToFirstLogMs ?? null,
    leftovers: [...running, ...stuck],
    note: [
      ...(record === undefined ? [] : [record.because]),
      ...run.notes,
      ...(wrong.length > 0 ? wrong : faults),
    ].join("; "),
  };
}

/** Faults that the record does not know, and those it knows that did not show. */
function unlike(record: readonly RegExp[], faults: readonly string[]): string[] {
  return [
    ...faults.filter((fault) => !record.some((known) => known.test(fault))),
    ...record.filter((known) => !faults.some((fault) => known.test(fault))).map((known) => `expected a fault ${known}`),
  ];
}
