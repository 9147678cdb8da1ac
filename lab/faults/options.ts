import { parseArgs } from "node:util";
import { ROWS, selectRows } from "./rows";

/** What a person may set on the command line. */
export interface FaultOptions {
  /** Pieces of rows' names; none: all rows. */
  readonly only: readonly string[];
  /** Builds per row. */
  readonly builds: number;
  /** Without the Stacks API. */
  readonly webhookOnly: boolean;
  /** Equal seeds give the same jobs and the same chance. */
  readonly seed: number;
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

const DEFAULT_SEED = 1_000;
const MOST_SEED = 2 ** 31;

/** Every row with what it does. */
export const LIST = ROWS.map(({ name, note, timeScale }) => {
  return `${name}${timeScale === 1 ? "" : ` (waits 1:${timeScale})`}\n  ${note}`;
}).join("\n");

export const HELP = `npm run faults -- [options]

Drives builds through the whole system once per fault: a real API server, two real dispatcher processes, a fake Buildkite,
simulated agents. Each row must end with nothing lost, nothing run twice and no two pods of one job. Needs Linux. Nothing is
left behind but out/faults.json.

  --only TEXT       only rows whose name holds this text; may be given more than once
  --builds N        builds per row, 4 to 2000 (default 300); what a row does more often or less often by nature (bodies of
                    the fuzzer, scheduled jobs under the memory limit) goes up and down with it
  --seed N          of the jobs and of chance, 0 to 2147483648 (default ${DEFAULT_SEED})
  --webhook-only    the dispatcher without Buildkite's Stacks API: rows that need it fail, to show that they can
  --list            the rows and what each does
  --help            this text

Exit codes: 0 every row holds, 1 one does not or could not be run, 2 wrong arguments, 130 interrupted (the rows that were
over by then are in out/faults.json).`;

/**
 * Reads the command line.
 *
 * @returns "help" or "list" when that was asked for.
 * @throws UsageError
 */
export function readOptions(argv: readonly string[]): FaultOptions | "help" | "list" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        only: { type: "string", multiple: true, default: [] },
        builds: { type: "string", default: "300" },
        seed: { type: "string", default: String(DEFAULT_SEED) },
        "webhook-only": { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}. --help lists what there is`);
  }
  if (values.help || values.list) {
    return values.help ? "help" : "list";
  }
  const unmatched = values.only.find((text) => selectRows([text]).length === 0);
  if (unmatched !== undefined) {
    throw new UsageError(
      `--only must be a piece of a row's name, got ${JSON.stringify(unmatched)}. --list shows the rows`,
    );
  }
  return {
    only: values.only,
    builds: integer("builds", values.builds, 4, 2_000),
    seed: integer("seed", values.seed, 0, MOST_SEED),
    webhookOnly: values["webhook-only"],
  };
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`--${name} must be an integer from ${least} to ${most}, got ${JSON.stringify(text)}`);
  }
  return value;
}
