import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { listenForInterruption } from "../interruption";
import { runBench } from "./bench";
import { HELP, readOptions, UsageError, type BenchOptions } from "./options";
import { benchHtml } from "./report-page";
import { markdown, plainText } from "./table-text";

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

void main(process.argv.slice(2));

/** Exit codes: 0 measured, 1 it could not be, 2 wrong arguments, 130 interrupted. */
async function main(argv: readonly string[]): Promise<void> {
  let options: BenchOptions | "help";
  try {
    options = readOptions(argv);
  } catch (error) {
    print(error instanceof UsageError ? error.message : String(error));
    process.exitCode = 2;
    return;
  }
  if (options === "help") {
    print(HELP);
    return;
  }
  const interruption = listenForInterruption(print);
  try {
    const results = await runBench(options, interruption.signal, print);
    const folder = join(__dirname, "..", "..", "out");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "bench.json"), `${JSON.stringify(results, undefined, 2)}\n`);
    await writeFile(join(folder, "bench.md"), markdown(results));
    await writeFile(join(folder, "bench.html"), benchHtml(results));
    print(
      `\n${plainText(results)}\n\nout/bench.json has the rest, out/bench.html the picture, out/bench.md these tables.`,
    );
  } catch (error) {
    if (interruption.signal.aborted) {
      process.exitCode = 130;
    } else {
      print(`bench: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  } finally {
    interruption.end();
  }
}
