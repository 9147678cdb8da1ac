import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConformanceCase } from "./case";
import { CASES } from "./cases";
import { type ConformanceCluster, startCluster } from "./cluster";
import type { RealClusterOptions } from "../real-cluster";
import { Meeting } from "./meeting";
import { MODES } from "./modes";
import type { ConformanceOptions } from "./options";
import { type CaseResult, type ConformanceResults, failuresOf, figuresOf } from "./results";
import { runCase } from "./run-case";
import { runSideBySide, type Work } from "./schedule";

/** The cases that the options name. */
export function chosenCases({ only }: Pick<ConformanceOptions, "only">): ConformanceCase[] {
  return CASES.filter(({ name }) => only.length === 0 || only.some((text) => name.includes(text)));
}

/**
 * Starts the cluster, runs the cases and stops it again. Only in the inner process of `runInNamespaces`.
 *
 * @throws when the cluster cannot be started or stopped.
 */
export async function runConformance(
  options: ConformanceOptions,
  setting: RealClusterOptions,
  keep: (cluster: ConformanceCluster) => Promise<void>,
): Promise<CaseResult[]> {
  const { print, signal } = setting;
  const results: CaseResult[] = [];
  const cluster = await startCluster(setting);
  try {
    const cases = chosenCases(options);
    for (let round = 1; round <= options.repeat && !signal.aborted; round++) {
      const works = cases.flatMap((definition) =>
        worksOf(cluster, definition, options, round, (result) => {
          if (signal.aborted) {
            return;
          }
          results.push(result);
          print(progressLine(result, results.length, cases.length * options.modes.length * options.repeat));
        }),
      );
      await runSideBySide(works, options.parallel, signal);
    }
    if (options.keep && !signal.aborted) {
      await keep(cluster);
    }
  } finally {
    await cluster.stop();
  }
  return sorted(results, CASES);
}

/** One piece of work per mode; one for all modes where a case disturbs the node that they share. */
function worksOf(
  cluster: ConformanceCluster,
  definition: ConformanceCase,
  { modes, repeat }: ConformanceOptions,
  round: number,
  tell: (result: CaseResult) => void,
): Work[] {
  const seconds = definition.longest ?? 20;
  if (definition.disturbs === true) {
    const run = async (): Promise<void> => {
      const meeting = new Meeting(modes.length);
      await Promise.all(
        modes.map(async (mode) => {
          tell(await runCase(cluster, definition, mode, round, meeting));
        }),
      );
    };
    return [{ alone: false, lane: "disturbed", seconds, run }];
  }
  return modes.map((mode) => ({
    // The post's times are in whole seconds; side by side they cost less.
    alone: repeat > 1 && definition.measured === true && mode !== "post",
    seconds,
    run: async () => {
      tell(await runCase(cluster, definition, mode, round));
    },
  }));
}

function progressLine(result: CaseResult, done: number, all: number): string {
  const { case: name, mode, ok, asDocumented, seconds, note } = result;
  const verdict = !asDocumented ? "WRONG" : ok ? "ok" : "fails as documented";
  const text = `${String(done).padStart(String(all).length)}/${all}  ${verdict}: ${name} (${mode}), ${seconds} s`;
  return asDocumented ? text : `${text}\n       ${note}`;
}

function sorted(results: readonly CaseResult[], cases: readonly ConformanceCase[]): CaseResult[] {
  const order = new Map(cases.map(({ name }, index) => [name, index]));
  const place = ({ case: name, mode, round }: CaseResult): number =>
    (order.get(name) ?? 0) * 10_000 + MODES.indexOf(mode) * 1_000 + round;
  return [...results].sort((a, b) => place(a) - place(b));
}

/** Puts the results together. */
export function judge(
  cases: readonly CaseResult[],
  rest: Omit<ConformanceResults, "ok" | "cases" | "figures" | "failures">,
): ConformanceResults {
  const failures = [...failuresOf(cases), ...rest.leftovers.map((one) => `left on the machine: ${one}`)];
  return { ok: failures.length === 0, ...rest, cases, figures: figuresOf(cases), failures };
}

/** Writes conformance.json into a folder. */
export async function writeConformance(folder: string, results: ConformanceResults): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "conformance.json"), `${JSON.stringify(results, null, 2)}\n`);
}
