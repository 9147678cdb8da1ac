import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { listenForInterruption } from "../interruption";
import { HELP, LIST, readOptions, UsageError, type FaultOptions } from "./options";
import { total } from "./results";
import { runFaults } from "./run";

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

void main(process.argv.slice(2));

/** Exit codes: 0 every row holds, 1 one does not or could not be run, 2 wrong arguments, 130 interrupted. */
async function main(argv: readonly string[]): Promise<void> {
  let options: FaultOptions | "help" | "list";
  try {
    options = readOptions(argv);
  } catch (error) {
    print(error instanceof UsageError ? error.message : String(error));
    process.exitCode = 2;
    return;
  }
  if (options === "help" || options === "list") {
    print(options === "help" ? HELP : LIST);
    return;
  }
  const interruption = listenForInterruption((line) => {
    // On a terminal the line of the row that runs has no end yet.
    print(`\n${line}`);
  });
  try {
    const results = await runFaults(options, interruption.signal, process.stdout);
    const folder = join(__dirname, "..", "..", "out");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "faults.json"), `${JSON.stringify(results, undefined, 2)}\n`);
    const { text, allHold } = total(results);
    print(`\n${text}\nout/faults.json has the rest.`);
    process.exitCode = allHold ? 0 : 1;
  } catch (error) {
    print(`faults: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  } finally {
    interruption.end();
  }
  if (interruption.signal.aborted) {
    process.exitCode = 130;
  }
}
