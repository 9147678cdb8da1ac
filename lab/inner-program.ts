import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNoPackages } from "./debian";
import { TEMPORARY_PREFIX } from "./leftovers";
import { compareHostState, newRunId, readHostState, runInNamespaces, whyNoNamespaces } from "./namespaces";
import { getRealParts } from "./real-parts";

/** A program of the lab that is to run inside. */
export interface InnerProgram {
  /** Path of its TypeScript file. */
  readonly script: string;
  readonly arguments: readonly string[];
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** How it ended. */
export interface InnerEnd {
  readonly exitCode: number;
  /** What is on the machine now that was not there before; empty as it must be. */
  readonly leftovers: readonly string[];
}

/**
 * Runs a program of the lab in network, mount and process namespaces of its own: gets its parts first, because inside
 * there is no network, then compares the machine before and after.
 *
 * @throws with the reason and the way out where this machine cannot do it; what could not be had.
 */
export async function runInnerProgram({ script, arguments: words, signal, print }: InnerProgram): Promise<InnerEnd> {
  const reason = whyNoNamespaces() ?? whyNoPackages();
  if (reason !== undefined) {
    throw new Error(reason);
  }
  await getRealParts({ signal, print });
  const before = readHostState();
  const runId = await newRunId();
  const exitCode = await runInNamespaces({
    argv: [process.execPath, ...process.execArgv, script, ...words],
    ...{ runId, workDir: join(tmpdir(), `${TEMPORARY_PREFIX}${runId}`), signal, print },
  });
  return { exitCode, leftovers: compareHostState(before, readHostState()) };
}
