import { parseArgs } from "node:util";
import { MODES, type Mode } from "./modes";

/** What a person may set on the command line. */
export interface ConformanceOptions {
  readonly repeat: number;
  /** Names, or parts of names, of the cases to run; empty: all. */
  readonly only: readonly string[];
  readonly modes: readonly Mode[];
  readonly keep: boolean;
  readonly parallel: number;
  /** Where conformance.json goes. */
  readonly out: string;
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

export const HELP = `npm run conformance -- [options]

Runs every way in which a build's pod can end, on a real kubelet, containerd, dockerd and buildkite-agent, in each mode
of the sidecar and with the YAML of the post it replaces. Needs Linux, root and apt. All of it runs in namespaces of its own;
nothing is left behind. The results are in out/conformance.json.

  --repeat N      how often each case runs (default 1); with 2 or more the cases whose times are published run alone, and
                  the tables of docs/sidecar.md are printed and written to out/conformance.md
  --only TEXT     only cases whose name contains this; may be given several times
  --mode MODE     ${MODES.join(", ")}; may be given several times (default: all)
  --parallel N    how many pods at one time, 1 to 8 (default 4)
  --out FOLDER    where the results go (default out)
  --keep          after the cases leave everything running until Ctrl-C
  --help          this text
`;

/**
 * Reads the command line.
 *
 * @returns "help" when that was asked for.
 * @throws UsageError
 */
export function readOptions(argv: readonly string[]): ConformanceOptions | "help" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        repeat: { type: "string", default: "1" },
        only: { type: "string", multiple: true, default: [] },
        mode: { type: "string", multiple: true, default: [] },
        parallel: { type: "string", default: "4" },
        out: { type: "string", default: "out" },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    return "help";
  }
  return {
    repeat: whole("--repeat", values.repeat, 1, 100),
    only: values.only,
    modes: values.mode.length === 0 ? MODES : MODES.filter((mode) => checked(values.mode).includes(mode)),
    keep: values.keep,
    parallel: whole("--parallel", values.parallel, 1, 8),
    out: values.out,
  };
}

function checked(modes: readonly string[]): readonly string[] {
  for (const mode of modes) {
    if (!(MODES as readonly string[]).includes(mode)) {
      throw new UsageError(`--mode must be ${MODES.join(", ")}, got ${JSON.stringify(mode)}`);
    }
  }
  return modes;
}

function whole(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < min || value > max) {
    throw new UsageError(`${option} must be a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
  }
  return value;
}
