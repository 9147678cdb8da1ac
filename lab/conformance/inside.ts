/** The inner process: runs the cases and writes their results into a file. Started by main.ts. */
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { inside } from "../namespaces";
import { runConformance } from "./conformance";
import type { ConformanceCluster } from "./cluster";
import { getIngredients } from "./ingredients";
import type { ConformanceOptions } from "./options";

/** What main.ts tells it, as JSON in the first argument. */
export interface Told {
  readonly options: ConformanceOptions;
  /** Where the results go. */
  readonly resultsFile: string;
}

const print = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const place = inside();
  const text = process.argv[2];
  if (place === undefined || text === undefined) {
    throw new Error("lab/conformance/inside.ts is started by lab/conformance/main.ts only");
  }
  const { options, resultsFile } = JSON.parse(text) as Told;
  const stopping = new AbortController();
  process.on("SIGTERM", () => {
    stopping.abort(new Error("interrupted"));
  });
  const { signal } = stopping;
  const { parts, packages, images } = await getIngredients(() => undefined, signal);
  const keep = async (cluster: ConformanceCluster) => {
    print(`left running until Ctrl-C: KUBECONFIG of an administrator, in these namespaces, is in ${place.workDir}`);
    print(`logs: ${[...cluster.node.logs, ...cluster.disturbedNode.logs].join(" ")}`);
    while (!signal.aborted) {
      await sleep(1_000, undefined, { signal }).catch(() => undefined);
    }
  };
  const { workDir, cgroup } = place;
  const setting = { parts, packages, images, workDir, cgroup, signal, print };
  const results = await runConformance(options, setting, keep);
  await writeFile(resultsFile, JSON.stringify(results));
  return signal.aborted ? 130 : 0;
}

main()
  .then((code) => process.exit(code))
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
