import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { RequestBodies } from "../../dispatcher/request-body";

/** A request whose body comes as the test writes it. */
function incoming(headers: Record<string, string> = {}): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers }) as unknown as PassThrough & IncomingMessage;
}

describe("a request's body", () => {
  it("is read whole, in however many pieces it comes", async () => {
    const bodies = new RequestBodies(100, 1000);
    const request = incoming();
    const read = bodies.read(request);
    for (const byte of Buffer.from("x".repeat(99) + "y")) {
      request.write(Buffer.from([byte]));
    }
    request.end();
    assert.equal((await read).toString(), `${"x".repeat(99)}y`);
  });

  it("may be empty", async () => {
    const request = incoming();
    request.end();
    assert.deepEqual(await new RequestBodies(10, 10).read(request), Buffer.alloc(0));
  });

  it("is not read past its bound, announced or not", async () => {
    const bodies = new RequestBodies(10, 1000);
    assert.equal(await bodies.read(incoming({ "content-length": "11" })), "too_large");
    const request = incoming();
    const read = bodies.read(request);
    request.write(Buffer.alloc(6));
    request.write(Buffer.alloc(6));
    assert.equal(await read, "too_large");
    assert.equal(request.isPaused(), true);
  });

  it("that has been coming for the longest gives way when all together are too much", async () => {
    const bodies = new RequestBodies(100, 250);
    const [slow, slower, quick] = [incoming(), incoming(), incoming()];
    const [first, second, third] = [bodies.read(slow), bodies.read(slower), bodies.read(quick)];
    slow.write(Buffer.alloc(100));
    await sleep(0);
    slower.write(Buffer.alloc(100));
    await sleep(0);
    quick.end(Buffer.alloc(100, 1));
    assert.equal(await first, "crowded_out");
    assert.equal((await third).length, 100);
    slower.end();
    assert.equal((await second).length, 100, "there was room for this one");
  });

  it("that has been read takes no room any more", async () => {
    const bodies = new RequestBodies(100, 100);
    for (let count = 0; count < 5; count++) {
      const request = incoming();
      const read = bodies.read(request);
      request.end(Buffer.alloc(100));
      assert.equal((await read).length, 100);
    }
  });

  it("that is cut off is none", async () => {
    const request = incoming();
    const read = new RequestBodies(10, 10).read(request);
    request.write(Buffer.alloc(5));
    request.destroy();
    assert.equal(await read, "cut");
  });
});
