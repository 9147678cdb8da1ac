import { createHash, createPrivateKey, createPublicKey, hkdfSync, sign } from "node:crypto";
import { isIP } from "node:net";

/** A certificate and its key, PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/**
 * The certificate of the port for job acquisition tokens: self-signed, for one host, and trusted by name by nobody but the
 * build pods, which are given it and trust no other.
 *
 * Key and certificate are derived from the agent token, so that every `pulumi up` gives the same ones, a new agent token
 * gives new ones, and there is nothing to keep or to renew: the validity has no end (RFC 5280, 4.1.2.5). Who knows the
 * agent token gains nothing by the key: the token is worth more. An agent token is random; this must never be done with a
 * secret that a person thinks up, for the certificate would let anybody test guesses.
 *
 * @param secret the agent token.
 * @param host DNS name or IPv4 address that clients use.
 */
export function jobTokensCertificate(secret: string, host: string): Certificate {
  const seed = Buffer.from(hkdfSync("sha256", secret, "buildkite-scale-to-zero", `job tokens TLS ${host}`, 32));
  const key = createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" });
  const name = sequence(tagged(0x31, sequence(COMMON_NAME, tagged(0x0c, Buffer.from("buildkite-scale-to-zero")))));
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, serialOf(publicKey)),
    ED25519,
    name,
    sequence(tagged(0x18, Buffer.from("20200101000000Z")), tagged(0x18, Buffer.from("99991231235959Z"))),
    name,
    publicKey,
    tagged(0xa3, sequence(basicConstraints(), subjectAltName(host), SERVER_AUTH)),
  );
  const signature = tagged(0x03, Buffer.from([0]), sign(null, body, key));
  const lines = sequence(body, ED25519, signature)
    .toString("base64")
    .replace(/(.{64})(?=.)/g, "$1\n");
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: key.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}

/** What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410). */
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const ED25519 = Buffer.from("300506032b6570", "hex");
const COMMON_NAME = Buffer.from("0603550403", "hex");
/** Extension extKeyUsage: serverAuth. */
const SERVER_AUTH = Buffer.from("30130603551d25040c300a06082b06010505070301", "hex");

/** Positive, and another for every key. */
function serialOf(publicKey: Buffer): Buffer {
  const serial = createHash("sha256").update(publicKey).digest().subarray(0, 16);
  return Buffer.concat([Buffer.from([0x40]), serial.subarray(1)]);
}

/** Critical: it is no authority, it signs nothing but itself. */
function basicConstraints(): Buffer {
  return sequence(Buffer.from("0603551d13", "hex"), tagged(0x01, Buffer.from([0xff])), tagged(0x04, sequence()));
}

function subjectAltName(host: string): Buffer {
  const name =
    isIP(host) === 4
      ? tagged(0x87, Buffer.from(host.split(".").map(Number)))
      : tagged(0x82, Buffer.from(host, "latin1"));
  return sequence(Buffer.from("0603551d11", "hex"), tagged(0x04, sequence(name)));
}

function sequence(...contents: Buffer[]): Buffer {
  return tagged(0x30, ...contents);
}

/** One DER value. */
function tagged(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
