import { parseArgs } from "node:util";
import { ALL_SCENARIOS, SCENARIOS, type Scenario } from "./scenarios";

/** What a person may set on the command line. */
export interface BenchOptions {
  /** In the order in which they are measured; at least one. */
  readonly scenarios: readonly Scenario[];
  /** Which sizes the scenarios have. */
  readonly size: "standard" | "quick" | "full";
  /** Jobs each way, in `blocks`. */
  readonly jobs: number;
  /** Jobs that one way is making at one time, the dispatcher's `createConcurrency` among them. */
  readonly concurrency: number;
  /** In `blocks`: Jobs of one way before the other has its turn. */
  readonly block: number;
}

/** A wrong argument: the text says which, the rule and the value. */
export class UsageError extends Error {}

const scenarioList = Object.entries(SCENARIOS)
  .map(([name, about]) => `  ${name.padEnd(10)} ${about}`)
  .join("\n");

export const HELP = `npm run bench -- [options]

Measures what the dispatcher costs and how it grows: signed webhooks sent over loopback to the real bundle (a process of its
own, with its service account's token), beside the same Jobs posted straight to the same real API server, and beside a model
of a controller that polls. What is compared was measured in one run. Needs Linux and, for figures worth telling, a machine
with nothing else to do. Takes about ten minutes on 2 cores. Nothing is left behind but out/bench.json, out/bench.md and
out/bench.html.

  --scenario NAME   only this one; may be given more than once
  --full            with 10,000 builds on the nodes, and 10,000 jobs for the polling model by its defaults, too (about
                    40 minutes)
  --quick           so few jobs that the figures mean nothing: to see that it works
  --jobs N          blocks: Jobs each way, 10 to 100000 (default 1000)
  --block N         blocks: Jobs of one way before the other has its turn, 1 to 10000 (default 50)
  --concurrency N   requests at one time, 1 to 256 (default 16)
  --help            this text

Scenarios:
${scenarioList}
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
        scenario: { type: "string", multiple: true, default: [] },
        full: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        jobs: { type: "string", default: "1000" },
        concurrency: { type: "string", default: "16" },
        block: { type: "string", default: "50" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}. --help lists what there is`);
  }
  if (values.help) {
    return "help";
  }
  if (values.full && values.quick) {
    throw new UsageError("--full and --quick ask for different sizes: remove one of them");
  }
  return {
    scenarios: scenarios(values.scenario),
    size: values.full ? "full" : values.quick ? "quick" : "standard",
    jobs: integer("--jobs", values.jobs, 10, 100_000),
    concurrency: integer("--concurrency", values.concurrency, 1, 256),
    block: integer("--block", values.block, 1, 10_000),
  };
}

function scenarios(names: readonly string[]): readonly Scenario[] {
  const known: readonly string[] = ALL_SCENARIOS;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--scenario must be one of ${known.join(", ")}, got ${JSON.stringify(unknown)}`);
  }
  return names.length === 0 ? ALL_SCENARIOS : ALL_SCENARIOS.filter((name) => names.includes(name));
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`${name} must be an integer from ${least} to ${most}, got ${JSON.stringify(text)}`);
  }
  return value;
}
