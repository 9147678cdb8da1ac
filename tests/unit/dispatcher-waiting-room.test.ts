import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { backoff } from "../../dispatcher/backoff";
import { Gate } from "../../dispatcher/gate";
import { failureOf } from "../../dispatcher/refusal";
import { KubernetesError } from "../../dispatcher/kubernetes/client";
import { WaitingRoom } from "../../dispatcher/waiting-room";

describe("the waiting room", () => {
  const woken: string[] = [];
  let room: WaitingRoom;
  const wait = (cause: Parameters<WaitingRoom["wait"]>[0], name: string, milliseconds = 60_000) =>
    room.wait(cause, name, milliseconds).then(() => woken.push(`${cause} ${name}`));

  beforeEach(() => {
    room = new WaitingRoom();
    woken.length = 0;
  });

  afterEach(() => {
    room.wakeAll();
  });

  it("wakes who waits for the name that is free, and one of those that wait for quota, the oldest", async () => {
    void wait("name", "a");
    void wait("name", "b");
    void wait("quota", "c");
    void wait("quota", "d");
    room.onJobGone("a");
    await sleep(0);
    assert.deepEqual(woken, ["name a", "quota c"]);
    assert.deepEqual(Object.fromEntries(room.counts()), { name: 1, quota: 1 });
  });

  it("wakes who waits for an end when that Job has finished", async () => {
    void wait("ending", "a");
    void wait("ending", "b");
    room.onJobFinished("a");
    await sleep(0);
    assert.deepEqual(woken, ["ending a"]);
  });

  it("wakes whoever's time is up", async () => {
    await wait("api_server", "a", 10);
    assert.deepEqual(woken, ["api_server a"]);
    assert.equal(room.counts().size, 0);
  });

  it("lets nobody wait for long once it was hurried", async () => {
    void wait("attempt", "a");
    room.hurry();
    const began = performance.now();
    await wait("quota", "b");
    assert.deepEqual(woken, ["attempt a", "quota b"]);
    assert.ok(performance.now() - began < 1500);
  });
});

describe("the gate", () => {
  it("lets as many run as it is wide, the others in their order, also after failures", async () => {
    const gate = new Gate(2);
    const order: number[] = [];
    let [now, most] = [0, 0];
    const tasks = [1, 2, 3, 4, 5].map((number) =>
      gate
        .run(async () => {
          most = Math.max(most, ++now);
          order.push(number);
          await sleep(5);
          now--;
          if (number === 2) {
            throw new Error("2");
          }
        })
        .catch(() => undefined),
    );
    await Promise.all(tasks);
    assert.deepEqual([most, order], [2, [1, 2, 3, 4, 5]]);
    assert.equal(await gate.run(() => Promise.resolve("free")), "free");
  });
});

describe("the backoff", () => {
  it("doubles up to its longest, and keeps between half and all of it", () => {
    for (const [failures, full] of [
      [1, 200],
      [2, 400],
      [6, 6400],
      [7, 10_000],
      [1_000_000, 10_000],
    ] as const) {
      for (let tries = 0; tries < 50; tries++) {
        const wait = backoff(200, 10_000, failures);
        assert.ok(wait >= full / 2 && wait <= full, `${failures}: ${wait}`);
      }
    }
  });
});

describe("the failure of a request", () => {
  const answered = (status: number, reason: string, message = "", retryAfter?: string) =>
    failureOf(new KubernetesError("POST /jobs", status, { reason, message }, retryAfter));

  it("is told apart by what the API server says", () => {
    assert.deepEqual(answered(409, "AlreadyExists"), { kind: "exists" });
    assert.deepEqual(answered(409, "Conflict"), { kind: "unavailable" });
    assert.deepEqual(answered(403, "Forbidden", "jobs is forbidden: exceeded quota: jobs, requested: 1"), {
      kind: "quota",
    });
    assert.deepEqual(answered(403, "Forbidden", "status unknown for quota: jobs"), { kind: "quota" });
    assert.deepEqual(answered(403, "Forbidden", "cannot create"), { kind: "refused", ofTheJob: false });
    assert.deepEqual(answered(422, "Invalid", "ValidatingAdmissionPolicy 'p' denied"), {
      kind: "refused",
      ofTheJob: true,
    });
    assert.deepEqual(answered(429, "TooManyRequests", "", "2"), { kind: "unavailable", retryAfterMs: 2000 });
    assert.deepEqual(answered(401, "Unauthorized"), { kind: "unavailable" });
    assert.deepEqual(answered(503, "ServiceUnavailable"), { kind: "unavailable" });
    assert.deepEqual(failureOf(new Error("socket hang up")), { kind: "unavailable" });
  });
});
