import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { isSignedBy, readSignatureHeader, SIGNATURE_WINDOW_SECONDS } from "../../dispatcher/signature";
import { SECRET, vector } from "../support/webhooks";

const TIMESTAMP = 1642080837;
const VECTORS = {
  "webhook-hmac-vector.body.json": {
    sha256: "d8f13f8dbfc7275a51a616942a049e2977a3cdb2dba08af516a0e50f3a19ab82",
    signature: "582d496ac2d869dd97a3101c4cda346288c49a742592daf582ec64c86449f79c",
  },
  "job.scheduled.example.json": {
    sha256: "80380e1a62f2fbd51009b78b8b5949022dfa7a6349c88f65a4c6227523027fca",
    signature: "6b99bd047d2063d2676e94967ad98b20e2d2809b1457b5ec214339d0466ce5ee",
  },
} as const;
const HEX = VECTORS["webhook-hmac-vector.body.json"].signature;
const NAMES = ["webhook-hmac-vector.body.json", "job.scheduled.example.json"] as const;

function read(header: string) {
  const found = readSignatureHeader(header, TIMESTAMP);
  if (typeof found === "string") {
    assert.fail(found);
  }
  return found;
}

describe("a webhook's signature", () => {
  for (const name of NAMES) {
    const { sha256, signature } = VECTORS[name];

    it(`verifies the vector ${name}, whose bytes are as published`, () => {
      const body = vector(name);
      assert.equal(createHash("sha256").update(body).digest("hex"), sha256);
      const header = read(`timestamp=${TIMESTAMP},signature=${signature}`);
      assert.equal(isSignedBy([SECRET], header, body), true);
    });

    it(`refuses ${name} with a changed byte, another secret, or another timestamp`, () => {
      const body = vector(name);
      const header = read(`timestamp=${TIMESTAMP},signature=${signature}`);
      const changed = Buffer.from(body);
      changed.writeUInt8((changed.at(100) ?? 0) ^ 1, 100);
      assert.equal(isSignedBy([SECRET], header, changed), false);
      assert.equal(isSignedBy([`${SECRET} `], header, body), false);
      const later = read(`timestamp=${TIMESTAMP + 1},signature=${signature}`);
      assert.equal(isSignedBy([SECRET], later, body), false);
    });
  }

  it("is of the bytes, not of the JSON: the indented vector written again has another", () => {
    const { signature } = VECTORS["job.scheduled.example.json"];
    const again = Buffer.from(JSON.stringify(JSON.parse(vector("job.scheduled.example.json").toString())));
    assert.equal(isSignedBy([SECRET], read(`timestamp=${TIMESTAMP},signature=${signature}`), again), false);
  });

  it("may be of any of the accepted secrets, and of none when there is none", () => {
    const body = vector("webhook-hmac-vector.body.json");
    const header = read(`timestamp=${TIMESTAMP},signature=${HEX}`);
    assert.equal(isSignedBy(["new", SECRET], header, body), true);
    assert.equal(isSignedBy([SECRET, "new"], header, body), true);
    assert.equal(isSignedBy([], header, body), false);
  });

  it("is taken up to five minutes from our clock, in both directions", () => {
    const header = `timestamp=${TIMESTAMP},signature=${HEX}`;
    const at = (offset: number) => readSignatureHeader(header, TIMESTAMP + offset);
    assert.equal(SIGNATURE_WINDOW_SECONDS, 300);
    assert.equal(typeof at(300), "object");
    assert.equal(typeof at(-300), "object");
    assert.equal(at(300.5), "signature_too_old");
    assert.equal(at(-300.5), "signature_too_new");
  });

  it("is read whatever the order and the case of its hex", () => {
    assert.equal(read(`signature=${HEX.toUpperCase()}, timestamp=${TIMESTAMP}`).signature.toString("hex"), HEX);
  });

  const malformed = {
    "no header": [undefined, "signature_missing"],
    "an empty header": ["", "signature_missing"],
    "no timestamp": [`signature=${HEX}`, "signature_malformed"],
    "no signature": [`timestamp=${TIMESTAMP}`, "signature_malformed"],
    "a repeated timestamp": [`timestamp=1,timestamp=${TIMESTAMP},signature=${HEX}`, "signature_malformed"],
    "a repeated signature": [`timestamp=${TIMESTAMP},signature=${HEX},signature=${HEX}`, "signature_malformed"],
    "an unknown part": [`timestamp=${TIMESTAMP},signature=${HEX},v=1`, "signature_malformed"],
    "a part without =": [`timestamp=${TIMESTAMP},signature=${HEX},`, "signature_malformed"],
    "a hexadecimal timestamp": [`timestamp=0x61,signature=${HEX}`, "signature_malformed"],
    "a negative timestamp": [`timestamp=-${TIMESTAMP},signature=${HEX}`, "signature_malformed"],
    "a timestamp with an exponent": [`timestamp=1e9,signature=${HEX}`, "signature_malformed"],
    "hex that is too short": [`timestamp=${TIMESTAMP},signature=${HEX.slice(2)}`, "signature_malformed"],
    "hex that is too long": [`timestamp=${TIMESTAMP},signature=${HEX}00`, "signature_malformed"],
    "something that is not hex": [`timestamp=${TIMESTAMP},signature=${"g".repeat(64)}`, "signature_malformed"],
    "the plain token": ["29b1ff5779c76bd48ba6705eb99ff970", "signature_malformed"],
    "a long header": ["x=1,".repeat(10_000), "signature_malformed"],
  } as const;
  for (const [what, [header, fault]] of Object.entries(malformed)) {
    it(`refuses ${what}`, () => {
      assert.equal(readSignatureHeader(header, TIMESTAMP), fault);
    });
  }
});
