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
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

const rowList = ROWS.map(({ name }) => `  ${name}`).join("\n");

export const HELP = `npm run faults -- [options]

Drives builds through the whole system once per fault: a real API server, two real dispatcher processes, a fake Buildkite,
simulated agents. Each row must end with nothing lost, nothing run twice and no two pods of one job. Needs Linux. Nothing is
left behind but out/faults.json. Exit code 1 when a row does not hold.

  --only TEXT       only rows whose name holds this text; may be given more than once
  --builds N        builds per row, 4 to 2000 (default 300)
  --webhook-only    the dispatcher without Buildkite's Stacks API: rows that need it fail, to show that they can
  --help            this text

Rows:
${rowList}
`;

/**
 * Reads the command line.
 *
 * @returns "help" when that was asked for.
 * @throws UsageError
 */
export function readOptions(argv: readonly string[]): FaultOptions | "help" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        only: { type: "string", multiple: true, default: [] },
        builds: { type: "string", default: "300" },
        "webhook-only": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}. --help lists what there is`);
  }
  if (values.help) {
    return "help";
  }
  const unmatched = values.only.find((text) => selectRows([text]).length === 0);
  if (unmatched !== undefined) {
    throw new UsageError(
      `--only must be a piece of a row's name, got ${JSON.stringify(unmatched)}. --help lists the rows`,
    );
  }
  return { only: values.only, builds: builds(values.builds), webhookOnly: values["webhook-only"] };
}

function builds(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 4 || value > 2_000) {
    throw new UsageError(`--builds must be an integer from 4 to 2000, got ${JSON.stringify(text)}`);
  }
  return value;
}
