import assert from "node:assert/strict";
import { PodsByJob } from "../../dispatcher/pods-by-job";

describe("which jobs have pods", () => {
  it("is told by the last of a job's pods that is left", () => {
    const pods = new PodsByJob();
    const of = (jobUuid: string) => ({ jobUuid });
    assert.equal(pods.has("a"), false);
    pods.onChange("added", of("a"), undefined);
    pods.onChange("added", of("a"), undefined);
    pods.onChange("added", of("b"), undefined);
    pods.onChange("modified", of("a"), of("a"));
    pods.onChange("deleted", of("a"), of("a"));
    assert.equal(pods.has("a"), true);
    pods.onChange("deleted", of("a"), of("a"));
    assert.equal(pods.has("a"), false);
    pods.onChange("modified", of("c"), of("b"));
    assert.deepEqual([pods.has("b"), pods.has("c")], [false, true]);
  });
});
