import assert from "node:assert/strict";
import { percentile } from "../../lab/percentile";

describe("the lab's percentiles", () => {
  it("are by nearest rank: always one of the values", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    assert.deepEqual(
      [0, 0.5, 0.95, 0.99, 1].map((share) => percentile(hundred, share)),
      [1, 50, 95, 99, 100],
    );
    assert.deepEqual([percentile([7], 0.99), percentile([1, 2, 3], 0.5), percentile([], 0.5)], [7, 2, 0]);
  });
});
