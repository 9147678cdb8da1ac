import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The resources that a committed stack file makes, sorted; kept in tests/ so that a change of them is read by somebody. */
export async function expectedUrns(stack: string): Promise<string[]> {
  const text = await readFile(join(__dirname, "..", "tests", "lab", `urns.${stack}.txt`), "utf8");
  return text.split("\n").filter((line) => line !== "");
}
