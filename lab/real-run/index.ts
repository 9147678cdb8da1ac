import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runInnerProgram } from "../inner-program";
import { inside } from "../namespaces";
import type { LabOptions } from "../options";
import { runRealNodeLab } from "./real-run";
import type { RealNodeResults } from "./results";

const RESULTS = join(__dirname, "..", "..", "out", "real-node.json");

/**
 * `npm run lab -- --real-node`: outside it starts the same program again in namespaces of its own, waits, looks for what is
 * left, and says how it was; inside it is the run.
 *
 * @param script path of the program, for the second start.
 * @returns the exit code of the process.
 * @throws where this machine cannot do it, with the reason and the way out; what could not be had.
 */
export async function realNodeLab(
  script: string,
  options: LabOptions,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<number> {
  const here = inside();
  if (here !== undefined) {
    return (await runRealNodeLab(options, here, signal, print)).ok ? 0 : 1;
  }
  // An earlier run's must not be taken for this one's.
  await rm(RESULTS, { force: true });
  const { exitCode, leftovers } = await runInnerProgram({ script, arguments: process.argv.slice(2), signal, print });
  const results = await addLeftovers(leftovers);
  if (results !== undefined) {
    summarize(results, print);
  }
  return signal.aborted ? 130 : results?.ok === true && exitCode === 0 ? 0 : 1;
}

async function addLeftovers(leftovers: readonly string[]): Promise<RealNodeResults | undefined> {
  const text = await readFile(RESULTS, "utf8").catch(() => undefined);
  if (text === undefined) {
    return undefined;
  }
  const inner = JSON.parse(text) as RealNodeResults;
  const failures = [...inner.failures, ...leftovers.map((one) => `left behind: ${one}`)];
  const results = { ...inner, ok: failures.length === 0, failures, leftovers };
  await writeFile(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  return results;
}

function summarize(results: RealNodeResults, print: (line: string) => void): void {
  const { builds, givenUp, dispatchers, failures, ok, seconds, cgroup } = results;
  print("");
  for (const {
    queue,
    sidecar,
    exitStatus,
    scheduledToFirstLogMs,
    agentEndToDindEndMs,
    agentEndToPodTerminalMs,
  } of builds) {
    const [firstLog, dindEnd, podEnd] = [scheduledToFirstLogMs, agentEndToDindEndMs, agentEndToPodTerminalMs].map(
      (milliseconds) => `${((milliseconds ?? NaN) / 1000).toFixed(2)} s`,
    );
    print(
      `${queue.padEnd(10)} ${sidecar.padEnd(14)} exit ${exitStatus ?? "-"}  first log line ${firstLog}  ` +
        `after the agent: dind ${dindEnd}, pod ${podEnd}`,
    );
  }
  if (givenUp !== undefined) {
    print(`${givenUp.queue.padEnd(10)} its dind ends at once: given up after ${givenUp.scheduledToGivenUpSeconds} s`);
  }
  print(`dispatcher ${dispatchers.length} containers as their Deployment says`);
  for (const failure of failures) {
    print(`FAILED     ${failure}`);
  }
  print(`cgroup     ${cgroup}: what was seen of memory limits holds for that version`);
  print(`${ok ? "all as it must be" : `${failures.length} things were not as they must be`}, after ${seconds} s`);
}
