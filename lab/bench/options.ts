import { parseArgs } from "node:util";

/** What a person may set on the command line. */
export interface BenchOptions {
  /** Jobs each way. */
  readonly jobs: number;
  /** Requests at one time. */
  readonly concurrency: number;
  /** Jobs of one way before the other has its turn. */
  readonly block: number;
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

export const HELP = `npm run bench -- [options]

Measures what the dispatcher costs: signed webhooks sent over loopback to the real bundle (a process of its own, with its
service account's token), beside the same Jobs posted straight to the same API server with the same client class and the
same concurrency. Both in one run, in blocks that take turns. Needs Linux. Nothing is left behind but out/bench.json.

  --jobs N          Jobs each way, 10 to 100000 (default 1000)
  --concurrency N   requests at one time, 1 to 256 (default 16)
  --block N         Jobs of one way before the other has its turn, 1 to 10000 (default 50)
  --help            this text
`;

/**
 * Reads the command line.
 *
 * @returns "help" when that was asked for.
 * @throws UsageError
 */
export function readOptions(argv: readonly string[]): BenchOptions | "help" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        jobs: { type: "string", default: "1000" },
        concurrency: { type: "string", default: "16" },
        block: { type: "string", default: "50" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}. --help lists what there is`);
  }
  return values.help
    ? "help"
    : {
        jobs: integer("--jobs", values.jobs, 10, 100_000),
        concurrency: integer("--concurrency", values.concurrency, 1, 256),
        block: integer("--block", values.block, 1, 10_000),
      };
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`${name} must be an integer from ${least} to ${most}, got ${JSON.stringify(text)}`);
  }
  return value;
}
