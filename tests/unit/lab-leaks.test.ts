import assert from "node:assert/strict";
import { findNeedles, needle } from "../../lab/leaks/needles";

const SECRET = "s3cret/with+odd chars?0123456789";
const NEEDLES = [needle("token", SECRET)];

function found(text: string): boolean {
  return findNeedles(Buffer.from(text), NEEDLES).length === 1;
}

describe("the leak search", () => {
  it("finds the literal and its URL-encoded form", () => {
    assert.ok(found(`{"a":"${SECRET}"}`));
    assert.ok(found(`https://example.com/?token=${encodeURIComponent(SECRET)}&x=1`));
  });

  it("finds its base64 whatever stands before and behind it, in both alphabets", () => {
    for (const before of ["", "a", "ab", "abc", "user:"]) {
      for (const behind of ["", "z", "zy", "zyx", "\n"]) {
        const encoded = Buffer.from(before + SECRET + behind);
        assert.ok(found(`x ${encoded.toString("base64")} y`), `base64 of ${before}...${behind}`);
        assert.ok(found(`x ${encoded.toString("base64url")} y`), `base64url of ${before}...${behind}`);
      }
    }
  });

  it("finds nothing where there is nothing", () => {
    assert.ok(!found("s3cret/with+odd chars?012345678"));
    assert.ok(!found(Buffer.from("another secret of the same length").toString("base64")));
  });

  it("tells which secret it was, never its value", () => {
    assert.deepEqual(findNeedles(Buffer.from(SECRET), [...NEEDLES, needle("other", "zzzzzzzzzzzzzzzz")]), ["token"]);
  });
});
