import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNoPackages } from "../debian";
import { runInnerProgram } from "../inner-program";
import { listenForInterruption } from "../interruption";
import { cgroupVersion, whyNoNamespaces } from "../namespaces";
import { CASES } from "./cases";
import { chosenCases, judge, writeConformance } from "./conformance";
import type { InnerResults, Told } from "./inside";
import { type ConformanceOptions, HELP, readOptions, UsageError } from "./options";
import type { ConformanceResults } from "./results";
import { caseTable, figureTable, markdownTables } from "./table";

const print = (line: string) => process.stdout.write(`${line}\n`);

/** Exit codes: 0 as it must be, 1 something was not, 2 wrong arguments, 3 cannot run here, 130 interrupted. */
async function main(): Promise<number> {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
    if (options !== "help" && chosenCases(options).length === 0) {
      throw new UsageError(
        `--only: no case's name contains that. Cases:\n${CASES.map(({ name }) => `  ${name}`).join("\n")}`,
      );
    }
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\nAll options: npm run conformance -- --help\n`);
      return 2;
    }
    throw error;
  }
  if (options === "help") {
    print(HELP);
    return 0;
  }
  const reason = whyNoNamespaces() ?? whyNoPackages();
  if (reason !== undefined) {
    await writeConformance(options.out, skippedAll(options, reason));
    process.stderr.write(`npm run conformance cannot run here: ${reason}\n`);
    return 3;
  }
  const { signal } = listenForInterruption(print);
  let results;
  try {
    results = await run(options, signal);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return signal.aborted ? 130 : 1;
  }
  if (signal.aborted && !options.keep) {
    // A whole run's results stay where they are.
    results.leftovers.forEach((one) => {
      print(`FAILED  left on the machine: ${one}`);
    });
    return 130;
  }
  await writeConformance(options.out, results);
  await summarize(options, results);
  return results.ok ? 0 : 1;
}

async function run(options: ConformanceOptions, signal: AbortSignal): Promise<ConformanceResults> {
  const startedAt = new Date();
  const folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-conformance-"));
  const resultsFile = join(folder, "results.json");
  try {
    const told: Told = { options, resultsFile };
    const script = join(__dirname, "inside.ts");
    const end = await runInnerProgram({ script, arguments: [JSON.stringify(told)], signal, print });
    const text = await readFile(resultsFile, "utf8").catch(() => undefined);
    const { cases, versions } = text === undefined ? { cases: [], versions: {} } : (JSON.parse(text) as InnerResults);
    const results = judge(cases, {
      startedAt: startedAt.toISOString(),
      seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
      ...{ repeat: options.repeat, cgroup: `v${cgroupVersion()}`, versions, skipped: [] },
      ...{ leftovers: end.leftovers, note: NOTE },
    });
    const missing = chosenCases(options).length * options.modes.length * options.repeat - cases.length;
    if (missing === 0) {
      return results;
    }
    const why = `${missing} cases gave no result (exit code ${end.exitCode})`;
    return { ...results, ok: false, failures: [...results.failures, why] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const NOTE =
  "Buildkite is a stand-in that gives lost agents up after 15 s (documented: 180 s), the images are made locally after " +
  "the official ones' contracts, and memory limits are proven for the cgroup version above only.";

function skippedAll(options: ConformanceOptions, reason: string): ConformanceResults {
  const skipped = chosenCases(options).flatMap(({ name }) =>
    options.modes.map((mode) => ({ case: name, mode, reason })),
  );
  return {
    ...{ ok: false, startedAt: new Date().toISOString(), seconds: 0, repeat: options.repeat, cgroup: "unknown" },
    ...{ versions: {}, cases: [], skipped, figures: [], leftovers: [], failures: [reason], note: NOTE },
  };
}

async function summarize(options: ConformanceOptions, results: ConformanceResults): Promise<void> {
  print("");
  caseTable(results.cases).forEach(print);
  print("");
  figureTable(results.figures).forEach(print);
  print("");
  if (options.repeat > 1) {
    const text = markdownTables(results.cases, results.figures);
    await writeFile(join(options.out, "conformance.md"), text);
    print(text);
  }
  for (const failure of results.failures) {
    print(`FAILED  ${failure}`);
  }
  const { ok, seconds, failures, cgroup } = results;
  print(
    `${ok ? "all as it must be" : `${failures.length} things were not as they must be`}, after ${seconds} s (cgroup ${cgroup})`,
  );
  print(`results: ${join(options.out, "conformance.json")}`);
}

main()
  .then((code) => process.exit(code))
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
