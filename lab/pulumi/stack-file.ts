import { readFile, writeFile } from "node:fs/promises";
import { parseDocument } from "yaml";

/**
 * Sets plain configuration values in a stack file, as `pulumi config set --path` would, without starting the CLI once
 * per value.
 *
 * @param values full keys, for example `gcp:project` or `buildkite-scale-to-zero:queues[0].maxNodes`.
 */
export async function setPlainConfig(file: string, values: Readonly<Record<string, string>>): Promise<void> {
  const document = parseDocument(await readFile(file, "utf8").catch(() => ""));
  for (const [key, value] of Object.entries(values)) {
    const path = configPath(key);
    // The CLI keeps top-level values as texts and gives nested ones the type they look like.
    document.setIn(["config", ...path], path.length === 1 ? value : typed(value));
  }
  await writeFile(file, document.toString());
}

/** `proj:queues[0].key` as the steps into the stack file: `["proj:queues", 0, "key"]`. */
export function configPath(key: string): (string | number)[] {
  const colon = key.indexOf(":");
  if (colon < 1) {
    throw new RangeError(
      `a configuration key needs its namespace (for example gcp:project), got ${JSON.stringify(key)}`,
    );
  }
  const steps: (string | number)[] = [];
  const pattern = /([^.[\]]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/g;
  for (const [, name, index, quoted] of key.slice(colon + 1).matchAll(pattern)) {
    steps.push(index === undefined ? (name ?? quoted ?? "") : Number(index));
  }
  return [`${key.slice(0, colon)}:${String(steps[0])}`, ...steps.slice(1)];
}

function typed(value: string): string | number | boolean {
  if (/^-?(0|[1-9]\d{0,14})$/.test(value)) {
    return Number(value);
  }
  return value === "true" || value === "false" ? value === "true" : value;
}
