import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readJobScheduled } from "../../dispatcher/job-scheduled";
import { routeOf } from "../../dispatcher/route";
import { isSignedBy, readSignatureHeader } from "../../dispatcher/signature";
import { SeededRandom } from "../../lab/buildkite";
import { faultOf, fuzzCase } from "../../lab/faults/fuzz/fuzz";
import { genuineBody } from "../../lab/faults/fuzz/genuine-body";
import { mayAskForJob } from "../../lab/faults/fuzz/verdict";
import { dispatcherSettings, QUEUE } from "../../lab/faults/dispatcher-settings";

const SECRET = "a secret";
const CASES = 3_000;

function digestOf(seed: number): string {
  const hash = createHash("sha256");
  for (let number = 0; number < 200; number += 1) {
    const { body, how, id, method, path } = fuzzCase(seed, number, SECRET);
    hash.update(body).update(`${how} ${id} ${method} ${path}`);
  }
  return hash.digest("hex");
}

describe("the fuzzer of webhooks", () => {
  const { queues } = dispatcherSettings({ namespace: "n", builds: 4, webhookOnly: false }, "http://buildkite");

  /** What the dispatcher itself would make of a body that is well signed. */
  function wouldMakeJob(body: Buffer): boolean {
    let payload: unknown;
    try {
      payload = JSON.parse(body.toString("utf8"));
    } catch {
      return false;
    }
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      return false;
    }
    const job = readJobScheduled(payload as Record<string, unknown>);
    return !("ignored" in job) && typeof routeOf(job, queues) !== "string";
  }

  it("gives the same cases for the same seed, and others for another", () => {
    assert.equal(digestOf(7), digestOf(7));
    assert.notEqual(digestOf(7), digestOf(8));
  });

  it("starts from a body that makes a Job", () => {
    const body = Buffer.from(JSON.stringify(genuineBody(QUEUE, new SeededRandom(1))));
    assert.ok(wouldMakeJob(body) && mayAskForJob(body, QUEUE));
    const other = Buffer.from(JSON.stringify(genuineBody("other", new SeededRandom(1))));
    assert.ok(!wouldMakeJob(other) && !mayAskForJob(other, QUEUE));
  });

  it("signs many bodies rightly, but none that could make a Job, and the second opinion knows all that could", () => {
    const counts = { signed: 0, genuine: 0, unusual: 0 };
    for (let number = 0; number < CASES; number += 1) {
      const { body, headers, isSigned, method, how } = fuzzCase(3, number, SECRET);
      if (wouldMakeJob(body)) {
        counts.genuine += 1;
        assert.ok(mayAskForJob(body, QUEUE), `case ${number}: ${how}`);
        assert.equal(isSigned, false, `case ${number}: ${how}`);
      }
      const header = headers["x-buildkite-signature"];
      const parsed = readSignatureHeader(typeof header === "string" ? header : undefined, Date.now() / 1000);
      const isRight = typeof parsed !== "string" && isSignedBy([SECRET], parsed, body);
      assert.ok(isRight || !isSigned, `case ${number} is not signed as it says: ${how}`);
      counts.signed += isSigned ? 1 : 0;
      counts.unusual += method === "POST" ? 0 : 1;
    }
    assert.ok(counts.signed > CASES * 0.35, `${counts.signed} signed`);
    assert.ok(counts.genuine > 20 && counts.unusual > 20, JSON.stringify(counts));
  });

  it("takes 5xx, a missing answer and any sign of a Job for a fault", () => {
    const signed = { isSigned: true, mayGoUnanswered: false };
    const forged = { isSigned: false, mayGoUnanswered: false };
    for (const [result, fuzzed] of [
      [204, signed],
      [400, signed],
      [401, forged],
      [413, { isSigned: false, mayGoUnanswered: true }],
      ["socket hang up", { isSigned: false, mayGoUnanswered: true }],
    ] as const) {
      assert.equal(faultOf(result, fuzzed), undefined);
    }
    for (const [result, fuzzed] of [
      [200, signed],
      [202, signed],
      [204, forged],
      [500, forged],
      [503, signed],
      ["socket hang up", signed],
    ] as const) {
      assert.match(
        faultOf(result, fuzzed) ?? "",
        /^(was answered 50\d|was taken, with 20\d|got no answer: socket hang up)$/,
      );
    }
  });
});
