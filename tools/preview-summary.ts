import { readFileSync } from "node:fs";
import { parsePreview, PreviewInputError } from "./preview/preview";
import { summaryOf } from "./preview/summary";

/**
 * `pulumi preview --json > preview.json; npm run --silent preview-summary -- preview.json`: markdown for a reviewer. Reads
 * standard input where no file is named. Exit code 1, and one line of why, for what is no preview.
 */
function main([file, ...more]: readonly string[]): void {
  try {
    if (more.length > 0) {
      throw new PreviewInputError(`one file at most, got ${more.length + 1}: preview-summary [preview.json]`);
    }
    process.stdout.write(summaryOf(parsePreview(read(file))));
  } catch (error) {
    if (!(error instanceof PreviewInputError)) {
      throw error;
    }
    process.stderr.write(`preview-summary: ${error.message}\n`);
    process.exitCode = 1;
  }
}

function read(file: string | undefined): string {
  try {
    return readFileSync(file ?? process.stdin.fd, "utf8");
  } catch (error) {
    throw new PreviewInputError(`${file ?? "standard input"} cannot be read: ${(error as Error).message}`);
  }
}

main(process.argv.slice(2));
