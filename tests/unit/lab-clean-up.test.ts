import assert from "node:assert/strict";
import { runAll } from "../../lab/clean-up";

describe("cleaning up", () => {
  it("goes on behind a step that fails, in order, and then says which failed first", async () => {
    const done: string[] = [];
    const step = (name: string, fails: boolean) => async (): Promise<void> => {
      await Promise.resolve();
      done.push(name);
      if (fails) {
        throw new Error(`${name} failed`);
      }
    };
    await assert.rejects(
      runAll([step("a", false), step("b", true), step("c", true), step("d", false)]),
      /^Error: b failed/,
    );
    assert.deepEqual(done, ["a", "b", "c", "d"]);
    await runAll([]);
  });
});
