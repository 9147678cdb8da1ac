import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Meeting } from "../../lab/conformance/meeting";
import { runSideBySide, type Work } from "../../lab/conformance/schedule";

describe("the conformance suite's schedule", () => {
  const never = new AbortController().signal;

  function works(count: number, more: Partial<Work> = {}): { list: Work[]; log: string[]; most: () => number } {
    let running = 0;
    let most = 0;
    const log: string[] = [];
    const list = Array.from({ length: count }, (_, index): Work => ({
      ...{ alone: false, seconds: index, ...more },
      run: async () => {
        running += 1;
        most = Math.max(most, running);
        await sleep(5);
        log.push(String(index));
        running -= 1;
      },
    }));
    return { list, log, most: () => most };
  }

  it("runs so many at one time, and the long ones first", async () => {
    const { list, log, most } = works(7);
    await runSideBySide(list, 3, never);
    assert.equal(most(), 3);
    assert.equal(log.length, 7);
    assert.deepEqual(log.slice(0, 3).sort(), ["4", "5", "6"]);
  });

  it("runs one of a lane at a time, and others beside it", async () => {
    const lane = works(3, { lane: "node" });
    const rest = works(3);
    await runSideBySide([...lane.list, ...rest.list], 4, never);
    assert.equal(lane.most(), 1);
    assert.equal(lane.log.length, 3);
    assert.ok(rest.most() > 1);
  });

  it("runs those that must be alone after the others, one by one", async () => {
    const alone = works(3, { alone: true });
    const rest = works(4);
    let early = false;
    const first = alone.list[0];
    assert.ok(first !== undefined);
    const watched = {
      ...first,
      run: () => {
        early = rest.log.length < 4;
        return first.run();
      },
    };
    await runSideBySide([watched, ...alone.list.slice(1), ...rest.list], 4, never);
    assert.equal(alone.most(), 1);
    assert.equal(alone.log.length, 3);
    assert.ok(!early);
  });

  it("begins nothing after an abort, and waits for what has begun", async () => {
    const stopping = new AbortController();
    const { list, log } = works(6);
    const first = list.at(-1);
    assert.ok(first !== undefined);
    const work: Work = {
      ...first,
      run: async () => {
        stopping.abort();
        await first.run();
      },
    };
    await runSideBySide([...list.slice(0, -1), work], 1, stopping.signal);
    assert.deepEqual(log, ["5"]);
  });
});

describe("a meeting of modes", () => {
  it("strikes once, when all have come, and again for the next blow", async () => {
    const meeting = new Meeting(3);
    let blows = 0;
    const blow = () => {
      blows += 1;
      return Promise.resolve();
    };
    const first = [meeting.together(blow), meeting.together(blow)];
    await sleep(5);
    assert.equal(blows, 0);
    await Promise.all([...first, meeting.together(blow)]);
    assert.equal(blows, 1);
    await Promise.all([meeting.together(blow), meeting.together(blow), meeting.together(blow)]);
    assert.equal(blows, 2);
  });

  it("does not wait for one that has left", async () => {
    const meeting = new Meeting(2);
    let blows = 0;
    const waiting = meeting.together(() => {
      blows += 1;
      return Promise.resolve();
    });
    meeting.leave();
    await waiting;
    assert.equal(blows, 1);
  });

  it("tells all of them what went wrong", async () => {
    const meeting = new Meeting(2);
    const blow = () => Promise.reject(new Error("no such node"));
    const outcomes = await Promise.allSettled([meeting.together(blow), meeting.together(blow)]);
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
  });
});
