import assert from "node:assert/strict";
import { listenForInterruption, type Interruption } from "../../lab/interruption";

describe("what interrupts a command of the lab", () => {
  let interruption: Interruption;
  const lines: string[] = [];
  const others = process.stdout.listeners("error");

  beforeEach(() => {
    lines.length = 0;
    interruption = listenForInterruption((line) => lines.push(line));
  });

  afterEach(() => {
    interruption.end();
    for (const listener of process.stdout.listeners("error").filter((one) => !others.includes(one))) {
      process.stdout.off("error", listener as () => void);
    }
  });

  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`is ${name}, until it has ended`, () => {
      // The last one is ours; mocha has its own.
      const listener = process.listeners(name).at(-1);
      assert.ok(listener !== undefined);
      listener(name);
      assert.match(String(interruption.signal.reason), /interrupted/);
      listener(name);
      assert.deepEqual(lines, ["Stopping: nothing is left behind ...", "Still stopping ..."]);
      interruption.end();
      assert.ok(!process.listeners(name).includes(listener));
    });
  }

  it("is the end of whoever reads its output, also of its last words", () => {
    interruption.end();
    process.stdout.emit("error", new Error("write EPIPE"));
    assert.match(String(interruption.signal.reason), /nobody reads/);
  });
});
