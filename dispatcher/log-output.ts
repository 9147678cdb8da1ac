import { writeSync } from "node:fs";

/**
 * Writes lines to standard output, those of one turn of the event loop at once: a write to a pipe blocks, and one for each
 * decision was 7 % of what a Job costs.
 *
 * What is not written yet when the process exits is written then.
 */
export function lineWriter(): (line: string) => void {
  let lines = "";
  const flush = (): void => {
    const text = lines;
    lines = "";
    process.stdout.write(text);
  };
  process.on("exit", () => {
    if (lines !== "") {
      try {
        writeSync(1, lines);
      } catch {
        // Whoever read it is gone, or does not read: there is nobody to tell.
      }
    }
  });
  return (line) => {
    if (lines === "") {
      setImmediate(flush);
    }
    lines += line;
  };
}
