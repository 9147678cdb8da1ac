/**
 * A made-up history of builds in the shape of Buildkite's REST export: `npx tsx lab/estimate/example.ts` writes
 * docs/estimate-example.json.
 *
 * Models: a small team's week: builds in working hours, more in the late morning and the afternoon, a nightly build; a
 * build is one lint job at first, then tests at the same time, then an image; agents that were always there, so that jobs
 * waited seconds. Nothing in it was ever run.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SeededRandom } from "../buildkite/seeded-random";

/** A job as the export has it, without the fields that the estimate does not read. */
export interface ExampleJob {
  readonly id: string;
  readonly type: "script" | "waiter";
  readonly state: string;
  readonly agent_query_rules?: readonly string[];
  readonly scheduled_at?: string;
  readonly runnable_at?: string;
  readonly started_at?: string;
  readonly finished_at?: string;
}

/** A build of it. */
export interface ExampleBuild {
  readonly number: number;
  readonly state: string;
  readonly created_at: string;
  readonly jobs: readonly ExampleJob[];
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** A Monday, 00:00 UTC. */
const MONDAY = Date.UTC(2026, 9, 5);

/** Builds of `days` days; equal seeds give equal builds. */
export function exampleBuilds(seed: number, days: number, buildsPerDay: number): ExampleBuild[] {
  const random = new SeededRandom(seed);
  const times: number[] = [];
  for (let day = 0; day < days; day += 1) {
    const weekend = day % 7 >= 5;
    const midnight = MONDAY + day * DAY;
    times.push(midnight + 2 * 60 * MINUTE);
    for (let made = 0; made < (weekend ? Math.ceil(buildsPerDay / 12) : buildsPerDay); made += 1) {
      // The sum of two is likelier in its middle: twice a day, around 10:30 and 15:00.
      const hours =
        made % 2 === 0 ? 8.5 + 2 * (random.next() + random.next()) : 12.5 + 2.5 * (random.next() + random.next());
      times.push(Math.round(midnight + hours * 60 * MINUTE));
    }
  }
  return times.sort((a, b) => a - b).map((at, index) => build(random, index + 1, at));
}

function build(random: SeededRandom, number: number, at: number): ExampleBuild {
  const failed = random.next() < 0.12;
  const lint = job(random, at, "quick", 40, 90, "passed");
  const tests = Array.from({ length: random.integer(2, 4) }, (_, index) =>
    job(random, lint.end, "default", 180, 540, failed && index === 0 ? "failed" : "passed"),
  );
  const tested = Math.max(...tests.map(({ end }) => end));
  const waiter: ExampleJob = { id: random.uuid(), type: "waiter", state: failed ? "waiting_failed" : "passed" };
  const image = failed ? [] : [job(random, tested, "docker", 120, 420, "passed").job];
  return {
    number,
    state: failed ? "failed" : "passed",
    created_at: new Date(at).toISOString(),
    jobs: [lint.job, waiter, ...tests.map((test) => test.job), ...image],
  };
}

function job(
  random: SeededRandom,
  runnable: number,
  queue: string,
  least: number,
  most: number,
  state: string,
): { readonly job: ExampleJob; readonly end: number } {
  const started = runnable + random.integer(1_000, 12_000);
  const end = started + random.integer(least * 1000, most * 1000);
  const text = (at: number): string => new Date(at).toISOString();
  return {
    end,
    job: {
      id: random.uuid(),
      type: "script",
      state,
      agent_query_rules: [`queue=${queue}`],
      scheduled_at: text(runnable),
      runnable_at: text(runnable),
      started_at: text(started),
      finished_at: text(end),
    },
  };
}

/** The committed example: a line for each build, so that it can be looked at. */
export function exampleText(): string {
  const builds = exampleBuilds(6, 7, 16).map((one) => JSON.stringify(one));
  return `[\n${builds.join(",\n")}\n]\n`;
}

if (require.main === module) {
  void writeFile(join(__dirname, "..", "..", "docs", "estimate-example.json"), exampleText());
}
