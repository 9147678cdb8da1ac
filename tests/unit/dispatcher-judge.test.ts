import assert from "node:assert/strict";
import { ATTEMPT_ANNOTATION, JOB_UUID, MANAGED_BY_LABEL, PROJECT } from "../../components/contract";
import { judge } from "../../dispatcher/judge";
import type { Job } from "../../dispatcher/kubernetes/objects";
import { isRunnableSince } from "../../dispatcher/late-repeat";

const UUID = "01985f3c-2b7a-4c1e-9d55-0a6d5f6b7c11";
const ENDED = "2026-11-20T03:30:00Z";
const END = Date.parse(ENDED);

type Change = (job: Job) => void;

const deleting: Change = (job) => (job.metadata.deletionTimestamp = ENDED);
const condition =
  (type: string): Change =>
  (job) => {
    job.status = { conditions: [{ type, status: "True", lastTransitionTime: ENDED }] };
  };
const attempt =
  (text: string): Change =>
  (job) => {
    job.metadata.annotations = { [ATTEMPT_ANNOTATION]: text };
  };

function judged(runnableAt: number | undefined, ...changes: Change[]) {
  const labels = { [MANAGED_BY_LABEL]: PROJECT, [JOB_UUID]: UUID };
  const job: Job = { metadata: { name: "j", uid: "u", labels, annotations: { [ATTEMPT_ANNOTATION]: "1" } } };
  for (const change of changes) {
    change(job);
  }
  return judge(job, UUID, 10_000, (endedAt) => isRunnableSince(runnableAt, endedAt));
}

const AFTER = END + 5000;
const BEFORE = END - 5000;

describe("the judgement of a Job that has the name", () => {
  it("foreign: not managed by us, or made for another job, in whatever state", () => {
    const theirs: Change = (job) => delete job.metadata.labels?.[MANAGED_BY_LABEL];
    const another: Change = (job) => Object.assign(job.metadata.labels ?? {}, { [JOB_UUID]: "x" });
    for (const change of [theirs, another]) {
      assert.deepEqual(judged(AFTER, change), { kind: "foreign" });
      assert.deepEqual(judged(AFTER, change, condition("Complete"), deleting), { kind: "foreign" });
    }
  });

  it("live: neither finished nor deleted, whenever the build became runnable", () => {
    assert.deepEqual(judged(AFTER), { kind: "live" });
    assert.deepEqual(judged(undefined), { kind: "live" });
  });

  it("replace, and no attempt: it ended by its own deadline, so its pod waited for a node, however often", () => {
    const overdue: Change = (job) => {
      job.status = {
        conditions: [{ type: "Failed", status: "True", reason: "DeadlineExceeded", lastTransitionTime: ENDED }],
      };
    };
    for (const count of [1, 3]) {
      const expected = { kind: "replace", uid: "u", attempt: count, notBefore: 0 };
      assert.deepEqual(judged(AFTER, overdue, attempt(String(count))), expected);
    }
    assert.deepEqual(judged(BEFORE, overdue), { kind: "late-repeat" });
  });

  it("live: a condition that is false is none", () => {
    const failed: Change = (job) => (job.status = { conditions: [{ type: "Failed", status: "False" }] });
    assert.deepEqual(judged(AFTER, failed), { kind: "live" });
  });

  it("ending: its result is decided, and the build became runnable after that", () => {
    for (const type of ["SuccessCriteriaMet", "FailureTarget"]) {
      assert.deepEqual(judged(AFTER, condition(type)), { kind: "ending" });
      assert.deepEqual(judged(BEFORE, condition(type)), { kind: "live" });
    }
  });

  it("terminating: deleted before its end, so the next is no further attempt", () => {
    assert.deepEqual(judged(BEFORE, deleting), { kind: "terminating", attempt: 1, notBefore: 0 });
  });

  it("terminating: deleted after its end, to run again", () => {
    const expected = { kind: "terminating", attempt: 2, notBefore: END + 10_000 };
    assert.deepEqual(judged(AFTER, condition("Failed"), deleting), expected);
  });

  it("late repeat: finished, and not made runnable since", () => {
    for (const type of ["Complete", "Failed"]) {
      assert.deepEqual(judged(BEFORE, condition(type)), { kind: "late-repeat" });
      assert.deepEqual(judged(undefined, condition(type)), { kind: "late-repeat" });
      assert.deepEqual(judged(BEFORE, condition(type), deleting), { kind: "late-repeat" });
    }
  });

  it("late repeat: made runnable in the second of the end, which Kubernetes does not tell apart", () => {
    assert.deepEqual(judged(END + 999, condition("Complete")), { kind: "late-repeat" });
    assert.equal(judged(END + 1000, condition("Complete")).kind, "replace");
  });

  it("replace: the wait from the end doubles with each attempt", () => {
    const next = (text: string) => judged(AFTER, condition("Complete"), attempt(text));
    assert.deepEqual(next("1"), { kind: "replace", uid: "u", attempt: 2, notBefore: END + 10_000 });
    assert.deepEqual(next("2"), { kind: "replace", uid: "u", attempt: 3, notBefore: END + 20_000 });
  });

  it("exhausted: the third attempt is the last", () => {
    assert.deepEqual(judged(AFTER, condition("Failed"), attempt("3")), {
      kind: "exhausted",
      attempts: 3,
      endedAt: END,
    });
    assert.deepEqual(judged(AFTER, condition("Failed"), attempt("9")), {
      kind: "exhausted",
      attempts: 9,
      endedAt: END,
    });
  });

  it("an attempt that cannot be read counts as the first", () => {
    const found = judged(AFTER, condition("Failed"), attempt("many"));
    assert.equal(found.kind === "replace" && found.attempt, 2);
  });

  it("the completion time is the end where there is one", () => {
    const complete: Change = (job) => {
      job.status = {
        completionTime: "2026-11-20T03:29:00Z",
        conditions: [{ type: "Complete", status: "True", lastTransitionTime: ENDED }],
      };
    };
    const found = judged(END - 30_000, complete);
    assert.equal(found.kind === "replace" && found.notBefore, END - 60_000 + 10_000);
  });
});
