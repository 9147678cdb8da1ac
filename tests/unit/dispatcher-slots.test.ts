import assert from "node:assert/strict";
import { Slots } from "../../dispatcher/slots";

describe("the slots for Jobs", () => {
  it("count what is being created with what is live, and are free again when a create has failed", async () => {
    let live = 1;
    const slots = new Slots(3, () => live);
    const ends: (() => void)[] = [];
    const create = () =>
      new Promise<string>((resolve) =>
        ends.push(() => {
          live++;
          resolve("made");
        }),
      );
    const first = slots.use(create);
    const second = slots.use(create);
    assert.equal(await slots.use(create), undefined, "two are being created beside the one that lives");
    ends.forEach((end) => {
      end();
    });
    assert.deepEqual(await Promise.all([first, second]), [{ made: "made" }, { made: "made" }]);
    live = 2;
    await assert.rejects(
      slots.use(() => Promise.reject(new Error("no"))),
      /no/,
    );
    assert.deepEqual(await slots.use(() => Promise.resolve(1)), { made: 1 });
  });

  it("are never used up without a bound", async () => {
    assert.deepEqual(await new Slots(Infinity, () => 1e9).use(() => Promise.resolve(1)), { made: 1 });
  });
});
