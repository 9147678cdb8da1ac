/** The inner process: runs the cases and writes their results into a file. Started by main.ts. */
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { inside } from "../namespaces";
import { runConformance } from "./conformance";
import type { ConformanceCluster } from "./cluster";
import { getRealParts } from "../real-parts";
import type { CaseResult } from "./results";
import { versionsOf } from "./versions";
import type { ConformanceOptions } from "./options";

/** What main.ts tells it, as JSON in the first argument. */
export interface Told {
  readonly options: ConformanceOptions;
  /** Where the results go. */
  readonly resultsFile: string;
}

/** What it writes there, as JSON. */
export interface InnerResults {
  readonly cases: readonly CaseResult[];
  readonly versions: Readonly<Record<string, string>>;
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
  // From the caches: main.ts has seen to that.
  const real = await getRealParts({ print: () => undefined, signal });
  const keep = async (cluster: ConformanceCluster) => {
    print(`left running until Ctrl-C: KUBECONFIG of an administrator, in these namespaces, is in ${place.workDir}`);
    print(`logs: ${[...cluster.node.logs, ...cluster.disturbedNode.logs].join(" ")}`);
    while (!signal.aborted) {
      await sleep(1_000, undefined, { signal }).catch(() => undefined);
    }
  };
  const { workDir, cgroup } = place;
  const cases = await runConformance(options, { ...real, workDir, cgroup, signal, print }, keep);
  const results: InnerResults = { cases, versions: versionsOf(real) };
  await writeFile(resultsFile, JSON.stringify(results));
  return signal.aborted ? 130 : 0;
}

main()
  .then((code) => process.exit(code))
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
