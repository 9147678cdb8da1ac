import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { estimateHistory } from "./estimate";
import { HistoryError } from "./history";
import { readHistory } from "./history-file";
import { HELP, readOptions, UsageError } from "./options";
import { estimateHtml } from "./page";
import { tableText } from "./table";

/** Milliseconds before a word on progress, and between two. */
const PATIENCE_MS = 2_000;

/** `npm run estimate`: see --help for the exit codes. */
async function main(argv: readonly string[]): Promise<number> {
  const note = (line: string) => process.stderr.write(`${line}\n`);
  let last = Date.now();
  const progress = (line: string): void => {
    if (Date.now() - last >= PATIENCE_MS) {
      last = Date.now();
      note(`${line} ...`);
    }
  };
  try {
    const options = readOptions(argv);
    if (options === "help") {
      process.stdout.write(HELP);
      return 0;
    }
    const estimate = estimateHistory(await readHistory(options.file, progress), options, progress);
    const folder = join(__dirname, "..", "..", "out");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "estimate.json"), `${JSON.stringify(estimate, undefined, 2)}\n`);
    await writeFile(join(folder, "estimate.html"), estimateHtml(estimate));
    process.stdout.write(
      `${tableText(estimate)}\n\nout/estimate.html has the picture, out/estimate.json the figures.\n`,
    );
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      note(`${error.message}\nAll options: npm run estimate -- --help`);
      return 2;
    }
    if (error instanceof HistoryError || error instanceof RangeError) {
      note(error.message);
      return 1;
    }
    throw error;
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
