import { readFileSync } from "node:fs";

const MOST = 3;

/** The last warnings and errors in the dispatchers' logs: whoever waits in vain wants to know what they say. */
export function lastComplaints(logs: readonly string[]): string[] {
  return logs.flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => /"level":"(warn|error)"/.test(line))
      .slice(-MOST)
      .map((line) => `dispatcher: ${line}`),
  );
}
