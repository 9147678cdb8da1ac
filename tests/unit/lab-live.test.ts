import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { plainOutput, terminalOutput, wantsView } from "../../lab/live";
import { liveJobs } from "../../lab/live/live-system";
import type { LiveState, LiveSystem } from "../../lab/live/state";
import { shares, view } from "../../lab/live/view";

const NOW = Date.UTC(2026, 0, 1);
const SYSTEM: LiveSystem = {
  nodes: [
    { name: "a", ready: true, builds: 2, used: 0.4 },
    { name: "b", ready: true, builds: 0, used: 0 },
    { name: "c", ready: false, builds: 0, used: 0 },
  ],
  booting: 1,
  maxNodes: 6,
  jobs: { waiting: 10, starting: 1, running: 4, finished: 25 },
  now: NOW + 20_000,
  samples: [
    { at: NOW, queued: 0, running: 0, finished: 0, nodes: 0 },
    { at: NOW + 10_000, queued: 30, running: 0, finished: 0, nodes: 0 },
    { at: NOW + 15_000, queued: 20, running: 6, finished: 4, nodes: 3 },
  ],
};
const STATE: LiveState = {
  elapsed: 62.4,
  steps: [{ name: "40 builds over 3 queues", seconds: 12.3 }],
  said: ["  50.1 s  40 builds over 3 queues ...", "  61.0 s  pulumi up: another agent token"],
  system: SYSTEM,
};
const plain = (_role: string, text: string) => text;
const drawn = (state: LiveState, columns = 120, rows = 40) => view(state, { columns, rows, paint: plain });

describe("the lab's view", () => {
  it("shows nodes as cells that fill, boot and are empty", () => {
    const lines = drawn(STATE);
    assert.ok(lines.some((line) => line.startsWith("Nodes 3 of at most 6, 1 booting")));
    assert.ok(lines.includes("[████······  2] [··········  0] [booting      ] [booting      ]"), lines.join("\n"));
    const grown = drawn({ ...STATE, system: { ...SYSTEM, nodes: [{ name: "a", ready: true, builds: 5, used: 1 }] } });
    assert.ok(grown.some((line) => line.startsWith("[██████████  5] [booting")));
    const least = drawn({
      ...STATE,
      system: { ...SYSTEM, nodes: [{ name: "a", ready: true, builds: 1, used: 0.01 }] },
    });
    assert.ok(
      least.some((line) => line.startsWith("[█·········  1]")),
      "a build shows, however small",
    );
    const none = drawn({ ...STATE, system: { ...SYSTEM, nodes: [], booting: 0 } });
    assert.ok(none.some((line) => line.startsWith("none: nothing is paid for")));
  });

  it("shows builds by state, in a bar as wide as the terminal", () => {
    const lines = drawn(STATE);
    const at = lines.indexOf("Builds 40");
    assert.equal(lines[at + 2], "25 finished  4 running  1 starting  10 waiting");
    assert.match(lines[at + 1] ?? "", /^█{74}▓{11}▒{2}░{29}$|^█+▓+▒+░+$/);
    assert.equal(lines[at + 1]?.length, 119);
  });

  it("gives each count its share, and at least one cell to what there is", () => {
    assert.deepEqual(shares([25, 4, 1, 10], 40), [25, 4, 1, 10]);
    assert.deepEqual(shares([1000, 1, 0, 0], 10), [9, 1, 0, 0]);
    assert.deepEqual(shares([0, 0], 10), [0, 0]);
  });

  it("draws the time line up to each line's own most, with a count staying until the next", () => {
    const lines = drawn(STATE, 36);
    const line = (name: string) => lines.find((one) => one.startsWith(name.padEnd(9)))?.slice(9);
    // 20 columns of a second each.
    assert.equal(line("nodes"), `${" ".repeat(14)}██████    3`);
    assert.equal(line("waiting"), `${" ".repeat(9)}█████▅▅▅▅▅▅   30`);
    assert.ok(lines.includes("Time line  20 s, a column is 1.0 s"));
  });

  it("says the steps under way, the time and the last words", () => {
    const lines = drawn(STATE);
    assert.equal(lines[0], "buildkite-scale-to-zero lab  62 s");
    assert.equal(lines[1], "> 40 builds over 3 queues, 12 s");
    assert.deepEqual(lines.slice(-2), STATE.said);
    const many = Array.from({ length: 99 }, (_, index) => `line ${index}`);
    assert.equal(drawn({ ...STATE, said: many }).at(-1), "line 98");
    assert.equal(
      drawn({ elapsed: 1, steps: [], said: [] })[0],
      "buildkite-scale-to-zero lab  1 s",
      "before there is a system",
    );
  });

  it("never is wider or higher than the terminal, whatever it holds", () => {
    const nodes = Array.from({ length: 100 }, (_, index) => ({ name: `n${index}`, ready: true, builds: 3, used: 0.5 }));
    const long = "a very long line of pulumi ".repeat(20);
    const full: LiveState = {
      ...STATE,
      steps: Array.from({ length: 5 }, () => ({ name: long, seconds: 1 })),
      said: Array.from({ length: 100 }, () => long),
      system: { ...SYSTEM, nodes },
    };
    for (const columns of [25, 40, 79, 80, 120, 300]) {
      for (const rows of [2, 5, 10, 24, 40, 100]) {
        for (const state of [STATE, full]) {
          const lines = drawn(state, columns, rows);
          assert.ok(lines.length < rows || rows === 2, `${lines.length} lines on ${rows} rows`);
          const widest = Math.max(...lines.map((line) => line.length));
          assert.ok(widest < columns, `${widest} wide on ${columns} columns`);
        }
      }
    }
    assert.ok(
      drawn(full, 80, 24).some((line) => /^and \d+ more$/.test(line)),
      "nodes that have no room are counted",
    );
  });

  it("takes no control characters from what was said", () => {
    const lines = drawn({ ...STATE, said: ["\u001b[31mred\u001b[0m\tand\u0007 a bell\r"] });
    assert.equal(lines.at(-1), "red and  a bell ");
  });

  it("paints by role, and failures in their own", () => {
    const said = ["   9.0 s  FAILED: it is lost"];
    const lines = view({ ...STATE, said }, { columns: 120, rows: 40, paint: (role, text) => `<${role}>${text}</>` });
    assert.equal(lines.at(-1), "<bad>   9.0 s  FAILED: it is lost</>");
    assert.ok(lines.some((line) => line.startsWith("[<nodes>████</><quiet>······</>")));
  });
});

describe("builds by where they are", () => {
  it("counts each once", () => {
    const states = [
      "scheduled",
      "scheduled",
      "reserved",
      "accepted",
      "running",
      "canceling",
      "finished",
      "canceled",
    ] as const;
    const jobs = states.map((state, index) => ({ id: String(index), state }));
    const counts = liveJobs(jobs, (id) => (id === "1" || id === "3" ? { boundAt: 1 } : {}));
    assert.deepEqual(counts, { waiting: 2, starting: 2, running: 2, finished: 2 });
  });
});

/** A terminal that keeps what is written to it; colours as asked for. */
class FakeTerminal extends PassThrough {
  readonly isTTY = true;
  columns = 100;
  rows = 30;
  text = "";

  constructor(private readonly colours: boolean) {
    super();
    this.on("data", (data: Buffer) => {
      this.text += data.toString();
    });
  }

  hasColors(): boolean {
    return this.colours;
  }
}

describe("the lab's output", () => {
  it("is lines unless a person looks at a terminal", () => {
    const tty = { isTTY: true, columns: 80, rows: 24 };
    assert.equal(wantsView(tty, { TERM: "xterm" }), true);
    assert.equal(wantsView({}, { TERM: "xterm" }), false);
    assert.equal(wantsView({ isTTY: true, columns: 0, rows: 0 }, { TERM: "xterm" }), false, "no size is known");
    assert.equal(wantsView(tty, { TERM: "dumb" }), false);
    assert.equal(wantsView(tty, { TERM: "xterm", CI: "true" }), false);
    assert.equal(wantsView(tty, { TERM: "xterm", CI: "false" }), true);
    assert.equal(wantsView(tty, { NO_COLOR: "1" }), true, "no colour is still a view");
    const lines: string[] = [];
    const output = plainOutput((line) => lines.push(line));
    output.follow(() => assert.fail("nobody draws"));
    output.print("one");
    output.end();
    assert.deepEqual(lines, ["one"]);
    assert.equal(output.live, false);
  });

  for (const colours of [true, false]) {
    it(`draws ${colours ? "in colour" : "without colour"} and leaves the last view; before and after, lines are lines`, () => {
      const terminal = new FakeTerminal(colours);
      const lines: string[] = [];
      const output = terminalOutput(terminal, (line) => lines.push(line));
      output.print("before");
      output.follow(() => ({ elapsed: 1, steps: [], system: SYSTEM }));
      output.print("while\nit runs");
      output.end();
      output.print("after");
      assert.deepEqual(lines, ["before", "after"]);
      const { text } = terminal;
      assert.match(stripVTControlCharacters(text), /25 finished {2}4 running/);
      assert.match(stripVTControlCharacters(text), /while\n(.*\n)?it runs/s);
      // Colours are the codes that end with m; the others move the cursor.
      assert.equal(/\u001b\[[0-9;]+m/.test(text), colours);
      assert.equal(terminal.listenerCount("resize"), 0);
    });
  }

  it("draws anew, and narrower, after a resize", () => {
    const terminal = new FakeTerminal(false);
    const output = terminalOutput(terminal, () => undefined);
    output.follow(() => ({ elapsed: 1, steps: [], system: SYSTEM }));
    terminal.text = "";
    terminal.columns = 40;
    terminal.emit("resize");
    const widest = Math.max(
      ...stripVTControlCharacters(terminal.text)
        .split("\n")
        .map((line) => line.length),
    );
    output.end();
    assert.ok(widest > 30 && widest < 40, String(widest));
  });
});
