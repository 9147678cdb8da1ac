import assert from "node:assert/strict";
import { CASES } from "../../lab/conformance/cases";
import { chosenCases, judge } from "../../lab/conformance/conformance";
import { MODES } from "../../lab/conformance/modes";
import { readOptions, UsageError } from "../../lab/conformance/options";
import { type CaseResult, failuresOf, figuresOf } from "../../lab/conformance/results";
import { spreadOf } from "../../lab/conformance/statistics";
import { caseTable, figureTable, markdownTables } from "../../lab/conformance/table";

function result(changes: Partial<CaseResult>): CaseResult {
  return {
    ...{ case: "job fails with 3", mode: "native", round: 1, ok: true, asDocumented: true, agentExit: "3" },
    ...{ agentCode: 0, dindCode: 0, podPhase: "Succeeded", podReason: "", jobResult: "Complete", leftovers: [] },
    ...{ agentEndToDindEndMs: 700, agentEndToPodTerminalMs: 1_500, agentEndToJobTerminalMs: 2_500 },
    ...{ dindStartToAgentStartMs: 900, dockerFirstAnswerMs: 400, actToBuildkiteKnowsMs: null },
    ...{ scheduledToFirstLogMs: 2_000, note: "", seconds: 7 },
    ...changes,
  };
}

const REST = {
  ...{
    startedAt: "",
    seconds: 1,
    repeat: 1,
    cgroup: "v1",
    versions: {},
    skipped: [],
    leftovers: [] as string[],
    note: "",
  },
};

describe("the conformance suite's results", () => {
  it("spread values over least, middle and greatest", () => {
    assert.equal(spreadOf([]), undefined);
    assert.deepEqual(spreadOf([5]), { min: 5, median: 5, max: 5, count: 1 });
    assert.deepEqual(spreadOf([9, 1, 10]), { min: 1, median: 9, max: 10, count: 3 });
    assert.deepEqual(spreadOf([4, 1, 2, 100]), { min: 1, median: 3, max: 100, count: 4 });
  });

  it("fail for our own modes that miss, and for a post that is not as documented, not for its failures", () => {
    const post = result({ mode: "post", ok: false });
    assert.deepEqual(failuresOf([result({}), post]), []);
    assert.ok(judge([result({}), post], REST).ok);
    const strange = result({ mode: "post", ok: true, asDocumented: false, note: "it ended" });
    const missed = result({ ok: false, asDocumented: false, round: 2, note: "too late" });
    assert.deepEqual(failuresOf([strange, missed]), [
      "job fails with 3 (post): it ended",
      "job fails with 3 (native, round 2): too late",
    ]);
  });

  it("fail for anything left on the machine", () => {
    const { ok, failures } = judge([result({})], { ...REST, leftovers: ["mount /x"] });
    assert.ok(!ok);
    assert.deepEqual(failures, ["left on the machine: mount /x"]);
  });

  it("give each figure per mode, of the cases that it is about", () => {
    const rows = [
      result({ agentEndToDindEndMs: 100 }),
      result({ case: "job succeeds", agentEndToDindEndMs: 300 }),
      result({ case: "deadline exceeded", agentEndToDindEndMs: 9_000 }),
      result({ mode: "post", agentEndToDindEndMs: null }),
    ];
    const normal = figuresOf(rows).find(({ figure }) => figure.includes("normal exit"));
    assert.deepEqual(normal?.measured, { post: null, native: { min: 100, median: 200, max: 300, count: 2 } });
    assert.equal(normal.aim.native, 1_500);
  });

  it("make one line per case and mode, with the median of the rounds", () => {
    const rows = [
      result({ agentEndToDindEndMs: 100 }),
      result({ round: 2, agentEndToDindEndMs: 5_000 }),
      result({ round: 3, agentEndToDindEndMs: 200 }),
      result({
        mode: "post",
        ok: false,
        dindCode: null,
        agentEndToDindEndMs: null,
        leftovers: ["container dind still runs"],
      }),
    ];
    const lines = caseTable(rows);
    assert.equal(lines.length, 3);
    assert.match(lines[1] ?? "", /post .* never .* 1 +fails, as documented$/);
    assert.match(lines[2] ?? "", /native .* 0\.20 s .* ok$/);
    assert.match(caseTable([result({ asDocumented: false, ok: false })])[1] ?? "", /WRONG$/);
  });

  it("say where a median misses its aim, and make tables for the documentation", () => {
    const rows = [result({ dockerFirstAnswerMs: 900 })];
    const figures = figuresOf(rows);
    assert.ok(figureTable(figures).some((line) => line.includes("0.90 s, aim 0.50 s")));
    const never = figuresOf([result({ mode: "post", agentEndToDindEndMs: null })]);
    assert.ok(figureTable(never).some((line) => /normal exit +never +- +-$/.test(line)));
    const markdown = markdownTables(rows, figures);
    assert.match(markdown, /^\| job fails with 3 \| - \| - \| 3; 0\.70 s; Complete \|$/m);
    assert.match(markdown, /normal exit \| - \| - \| 0\.70 s \| <= 0\.30 s \/ <= 1\.5 s \|/);
  });
});

describe("npm run conformance's options", () => {
  it("have defaults", () => {
    assert.deepEqual(readOptions([]), {
      ...{ repeat: 1, only: [], modes: MODES, keep: false, parallel: 4, out: "out" },
    });
    assert.equal(readOptions(["--help"]), "help");
  });

  it("take several modes and cases", () => {
    const options = readOptions(["--mode", "native", "--mode", "post", "--only", "SIGKILLed", "--repeat", "5"]);
    assert.ok(options !== "help");
    assert.deepEqual(options.modes, ["post", "native"]);
    assert.deepEqual(
      chosenCases(options).map(({ name }) => name),
      ["agent SIGKILLed", "agent process SIGKILLed"],
    );
  });

  it("refuse what they do not know, naming rule and value", () => {
    assert.throws(
      () => readOptions(["--mode", "sidecar"]),
      /--mode must be post, shared-volume, native, got "sidecar"/,
    );
    assert.throws(() => readOptions(["--repeat", "0"]), /--repeat must be a whole number from 1 to 100, got "0"/);
    assert.throws(() => readOptions(["--parallel", "x"]), UsageError);
    assert.throws(() => readOptions(["--fast"]), UsageError);
  });
});

describe("the conformance cases", () => {
  it("have names of their own, and say what they expect in every mode", () => {
    assert.equal(new Set(CASES.map(({ name }) => name)).size, CASES.length);
    for (const { name, expected } of CASES) {
      for (const mode of MODES) {
        assert.ok(Object.keys(expected(mode)).length > 1, `${name} (${mode})`);
      }
    }
  });

  it("have every case that is asked for", () => {
    const names = CASES.map(({ name }) => name).join("\n");
    for (const part of [
      ...["succeeds", "fails with 3", "agent SIGKILLed", "as the kernel does it", "all at once", "SIGTERM to the pod"],
      ...["kubectl delete job", "dockerd crashes", "never becomes ready", "takes 20 s", "agent image missing"],
      ...["dind image missing", "exit 27", "canceled in Buildkite before", "canceled in Buildkite while", "deadline"],
      ...["kubelet restarts", "node deleted", "daemon and an orphan", "2 GiB", "idle time-out", "MTU", "memory limit"],
      ...[
        "never starts before docker info",
        "log and exit code",
        "acquisition token instead",
        "no job acquisition token",
      ],
    ]) {
      assert.ok(names.includes(part), part);
    }
  });
});
