import { join } from "node:path";
import { HELP, readOptions, UsageError } from "./options";
import { pinImages } from "./pin-images";
import { PATIENCE } from "./transport";

/** `npm run pin-images`: see --help for the exit codes. */
async function main(): Promise<number> {
  const note = (line: string) => process.stderr.write(`${line}\n`);
  try {
    const options = readOptions(process.argv.slice(2));
    if (options === "help") {
      process.stdout.write(HELP);
      return 0;
    }
    return await pinImages(options, {
      path: join(__dirname, "..", "..", "components", "image-digests.json"),
      env: process.env,
      patience: PATIENCE,
      print: (line) => process.stdout.write(`${line}\n`),
      note,
    });
  } catch (error) {
    if (error instanceof UsageError) {
      note(`${error.message}\nAll options: npm run pin-images -- --help`);
      return 2;
    }
    note(error instanceof Error ? error.message : String(error));
    return 3;
  }
}

void main().then((code) => {
  process.exitCode = code;
});
