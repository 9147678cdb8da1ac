import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FakeJob, FakeJobState } from "../../lab/buildkite";
import { notServed } from "../../lab/faults/failed-webhooks";
import { HELP, LIST, readOptions, UsageError } from "../../lab/faults/options";
import { complaintsOf, healedSeconds, interrupted, outcomesOf } from "../../lab/faults/outcomes";
import { progressLine, RowProgress } from "../../lab/faults/progress";
import { head, line, total } from "../../lab/faults/results";
import type { FaultResult } from "../../lab/faults/row";
import { ROWS, selectRows } from "../../lab/faults/rows";
import { faultsTable, withFaultsTable } from "../../tools/faults-table";

describe("npm run faults", () => {
  it("has rows with names of their own, each telling what it does", () => {
    assert.equal(new Set(ROWS.map(({ name }) => name)).size, ROWS.length);
    for (const { name, note, timeScale } of ROWS) {
      assert.match(name, /^(webhooks|dispatcher|kubernetes|buildkite): \S/);
      assert.ok(note.length > 10 && LIST.includes(name) && LIST.includes(note), name);
      assert.ok(timeScale >= 1);
    }
    assert.ok(ROWS.filter(({ timeScale }) => timeScale === 1).length >= 2, "at least two rows run unscaled");
  });

  it("has the rows in docs/faults.md that the code has", () => {
    const document = readFileSync(join(__dirname, "..", "..", "docs", "faults.md"), "utf8");
    const current = withFaultsTable(document, faultsTable(ROWS));
    assert.equal(document, current, "docs/faults.md is stale: write it anew with npm run docs:faults");
    for (const { name } of ROWS) {
      assert.ok(document.includes(`| ${name} |`), name);
    }
    assert.throws(() => withFaultsTable("no markers", ""), /must hold the line <!-- rows -->/);
  });

  it("selects rows by pieces of their names", () => {
    assert.deepEqual(selectRows([]), ROWS);
    const names = selectRows(["ALL LOST", "429 storm"]).map(({ name }) => name);
    assert.deepEqual(names, ["webhooks: all lost", "buildkite: 429 storm"]);
  });

  it("reads its options, and says what is wrong with them", () => {
    assert.deepEqual(readOptions([]), { only: [], builds: 300, seed: 1_000, webhookOnly: false });
    const given = ["--only", "killed", "--only", "lost", "--builds", "40", "--webhook-only", "--seed", "7"];
    assert.deepEqual(readOptions(given), { only: ["killed", "lost"], builds: 40, seed: 7, webhookOnly: true });
    assert.equal(readOptions(["--help", "--builds", "0"]), "help");
    assert.equal(readOptions(["--list"]), "list");
    assert.ok(HELP.includes("--list") && HELP.includes("--seed"));
    for (const wrong of [
      ["--builds", "3"],
      ["--builds", "2001"],
      ["--builds", "x"],
      ["--seed", "-1"],
      ["--seed", "2147483649"],
      ["--only", "no such"],
      ["--all"],
    ]) {
      assert.throws(() => readOptions(wrong), UsageError, wrong.join(" "));
    }
  });

  const job = (state: FakeJobState, starts: number, id = "a"): FakeJob => ({ id, state, starts }) as unknown as FakeJob;
  const count = (jobs: FakeJob[], live: string[] = []) => outcomesOf(jobs, (id) => live.includes(id));

  it("counts each job once, by what became of it", () => {
    const jobs = [
      job("finished", 1),
      job("canceled", 1),
      job("canceled", 0),
      job("finished", 0),
      job("finished", 2),
      job("running", 2),
      job("scheduled", 0),
      job("limited", 0),
      job("accepted", 0, "live"),
      job("running", 1, "gone"),
    ];
    const outcomes = count(jobs, ["live"]);
    assert.deepEqual(outcomes, {
      ...{ scheduled: 10, ranOnce: 2, canceled: 1, givenUp: 1, twice: 2, open: 3, lost: 1 },
    });
    const { scheduled, ...rest } = outcomes;
    assert.equal(
      Object.values(rest).reduce((sum, one) => sum + one, 0),
      scheduled,
    );
  });

  it("complains of everything but builds that ran once or were canceled", () => {
    assert.deepEqual(complaintsOf(count([job("finished", 1), job("canceled", 0)])), []);
    assert.deepEqual(complaintsOf(count([job("running", 1)])), ["1 lost", "0 run + 0 canceled of 1"]);
    for (const wrong of [job("finished", 2), job("finished", 0), job("scheduled", 0)]) {
      assert.equal(complaintsOf(count([wrong])).length, 2, `${wrong.state} ${wrong.starts}`);
    }
  });

  it("takes as many given up as the row is about, no fewer and no more", () => {
    const outcomes = count([job("finished", 1), job("finished", 0), job("finished", 0)]);
    assert.deepEqual(complaintsOf(outcomes, 2), []);
    for (const expected of [1, 3]) {
      const complaints = complaintsOf(outcomes, expected);
      assert.deepEqual(complaints, [
        `2 given up by the dispatcher, not ${expected}`,
        `1 run + 0 canceled + ${expected} given up of 3`,
      ]);
    }
  });

  it("knows the builds that something else than their own command ended", () => {
    const ended = (starts: number, signalReason?: string): FakeJob => ({
      ...job("finished", starts),
      result: { exitStatus: "1", signalReason },
    });
    const stopped = ended(1, "agent_stop");
    assert.deepEqual(interrupted([ended(1), stopped, ended(0, "stack_error"), job("running", 1)]), [stopped]);
  });

  it("takes a job for healed when it has its Job, and the fault's own time out of it", () => {
    const at = (id: string, scheduledAt: number, state = "finished") =>
      ({ id, scheduledAt, state }) as unknown as FakeJob;
    const jobs = [at("a", 1_000), at("b", 2_000), at("c", 3_000, "canceled")];
    const seen = new Map([
      ["a", 6_000],
      ["b", 6_500],
    ]);
    assert.equal(healedSeconds(jobs, seen, 0), 5);
    assert.equal(healedSeconds(jobs, seen, 4_000), 2.5);
    assert.equal(healedSeconds(jobs, seen, 7_000), 0);
    assert.equal(healedSeconds([...jobs, at("d", 0)], seen, 0), null);
  });

  it("says what a run came to, and names the rows that were not run", () => {
    const [holds, fails] = [{ complaints: [] }, { complaints: ["1 lost"] }];
    assert.deepEqual(total({ rows: [holds, holds], notRun: [] }), { text: "2 of 2 rows hold", allHold: true });
    assert.deepEqual(total({ rows: [holds, fails], notRun: [] }), { text: "1 of 2 rows hold", allHold: false });
    const notRun = [{ fault: "webhooks: all lost", reason: "interrupted" }];
    assert.deepEqual(total({ rows: [holds], notRun }), {
      text: "not run: webhooks: all lost: interrupted\n1 of 2 rows hold",
      allHold: false,
    });
  });

  it("shows a row that is running: on a terminal in one line that goes again, else in lines", () => {
    const standing = { scheduled: 300, over: 12, complaints: 0 };
    assert.equal(progressLine("a: b", "2 of 9", 31.4, standing), "  2 of 9: a: b: 31 s, 12 of 300 over");
    assert.equal(progressLine("a: b", "1 of 1", 0, undefined), "  1 of 1: a: b: 0 s, starting");
    assert.match(progressLine("a: b", "1 of 1", 0, { ...standing, complaints: 2 }), /over, 2 complaints$/);
    for (const isTTY of [true, false]) {
      const written: string[] = [];
      const screen = { isTTY, write: (text: string) => written.push(text) };
      new RowProgress({ name: "a: b" }, "1 of 1", screen).stop();
      const expected = "  1 of 1: a: b: 0 s, starting";
      assert.deepEqual(written, isTTY ? [`\r\u001b[K${expected}`, "\r\u001b[K"] : [`${expected}\n`]);
    }
  });

  it("says how real webhooks ended that were not served", () => {
    const jobs = [[{ status: 200 }, { status: 503 }], [{ status: 503 }], [{ error: "socket hang up" }]];
    const fake = { jobs: () => jobs.map((webhooks) => ({ webhooks }) as unknown as FakeJob) };
    assert.deepEqual(notServed(fake), ["3 real webhooks were not served (503: 2, socket hang up: 1)"]);
    assert.deepEqual(notServed({ jobs: () => fake.jobs().slice(3) }), []);
  });

  it("prints a row under its head, with what is wrong below", () => {
    const result: FaultResult = {
      ...{ fault: "buildkite: down", scheduled: 300, ranOnce: 298, canceled: 2, lost: 0, twice: 0, overlappingPods: 0 },
      ...{
        givenUp: 0,
        wastedPods: 1,
        healedSeconds: 9.5,
        peakMiB: 88,
        timeScale: 10,
        note: "",
        buildkiteCalls: 12,
        seconds: 60,
      },
      complaints: [],
    };
    assert.equal(line(result).length, head().length);
    assert.match(line(result), /^buildkite: down \(1:10\) .* 300 .* 298 .* 9\.5 s .*88$/);
    assert.match(line({ ...result, healedSeconds: null }), / never .*88$/);
    assert.match(line({ ...result, complaints: ["2 lost", "x"] }), /\n {2}FAILED: 2 lost\n {2}FAILED: x$/);
  });
});
