import { setTimeout as sleep } from "node:timers/promises";
import { listenForInterruption } from "./interruption";
import { runLab } from "./lab";
import { type LabOutput, plainOutput, terminalOutput, wantsView } from "./live";
import { HELP, readOptions, UsageError } from "./options";
import { realNodeLab } from "./real-run";
import type { LabResults } from "./results";

const print = (line: string) => process.stdout.write(`${line}\n`);

/** Exit codes: 0 as it must be, 1 something was not, 2 wrong arguments, 130 interrupted. */
async function main(): Promise<number> {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\nAll options: npm run lab -- --help\n`);
      return 2;
    }
    throw error;
  }
  if (options === "help") {
    print(HELP);
    return 0;
  }
  const output: LabOutput =
    !options.realNode && wantsView(process.stdout, process.env)
      ? terminalOutput(process.stdout, print)
      : plainOutput(print);
  const { signal } = listenForInterruption(output.print);
  let results;
  try {
    if (options.realNode) {
      return await realNodeLab(__filename, options, signal, print);
    }
    try {
      results = await runLab(options, signal, output);
    } finally {
      output.end();
    }
  } catch (error) {
    // Only what comes before anything was started ends here, such as a part that cannot be had.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return signal.aborted ? 130 : 1;
  }
  summarize(results);
  return signal.aborted && !options.keep ? 130 : results.ok ? 0 : 1;
}

function summarize({ ok, jobs, nodes, webhookMs, failures, seconds, overlappingPods, wastedPods }: LabResults): void {
  print("");
  if (jobs !== undefined && nodes !== undefined && webhookMs !== undefined) {
    print(
      `builds     ${jobs.scheduled} scheduled, ${jobs.ranOnce} ran once, ${jobs.lost} lost, ${jobs.twice} twice, ${jobs.interrupted} ended by the destroy`,
    );
    print(`pods       ${overlappingPods ?? 0} overlapping, ${wastedPods ?? 0} wasted`);
    print(`nodes      0 -> ${nodes.peak} (maximum ${nodes.max}) -> ${nodes.end}`);
    print(
      `webhook    to Job: ${webhookMs.p50} ms median, ${webhookMs.p99} ms p99, in bursts beside pulumi (npm run bench measures it alone)`,
    );
    print("report     out/lab.html (open it in a browser), figures in out/lab.json");
  }
  for (const failure of failures) {
    print(`FAILED     ${failure}`);
  }
  print(`${ok ? "all as it must be" : `${failures.length} things were not as they must be`}, after ${seconds} s`);
}

main()
  .then(async (code) => {
    process.exitCode = code;
    // Something that keeps Node alive now is a leak, and no reason to hang.
    await sleep(5_000, undefined, { ref: false });
    process.exit(code);
  })
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
