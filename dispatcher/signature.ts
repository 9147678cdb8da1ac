import { createHmac, timingSafeEqual } from "node:crypto";

/** How far a webhook's timestamp may be from our clock, in either direction. */
export const SIGNATURE_WINDOW_SECONDS = 300;

/** The parts of `X-Buildkite-Signature`. */
export interface SignatureHeader {
  /** Unix seconds at which Buildkite sent the request, as they stood in the header: they are part of what is signed. */
  readonly timestamp: string;
  /** HMAC-SHA256, 32 bytes. */
  readonly signature: Buffer;
}

/** Why a header is refused before the body is looked at. */
export type HeaderFault = "signature_missing" | "signature_malformed" | "signature_too_old" | "signature_too_new";

/**
 * Reads `timestamp=<unix seconds>,signature=<hex>`: each part once, in any order, nothing else.
 *
 * @param header the header's value; several headers of the name arrive joined with a comma and are refused.
 * @param nowSeconds our clock.
 */
export function readSignatureHeader(header: string | undefined, nowSeconds: number): SignatureHeader | HeaderFault {
  if (header === undefined || header === "") {
    return "signature_missing";
  }
  const parts = new Map<string, string>();
  // Bounded: a real header is 97 characters.
  for (const part of header.slice(0, 512).split(",")) {
    const at = part.indexOf("=");
    const name = part.slice(0, at).trim();
    if (at < 0 || (name !== "timestamp" && name !== "signature") || parts.has(name)) {
      return "signature_malformed";
    }
    parts.set(name, part.slice(at + 1).trim());
  }
  const timestamp = parts.get("timestamp");
  const signature = parts.get("signature");
  if (timestamp === undefined || signature === undefined) {
    return "signature_malformed";
  }
  if (!/^\d{1,12}$/.test(timestamp) || !/^[0-9a-fA-F]{64}$/.test(signature)) {
    return "signature_malformed";
  }
  const age = nowSeconds - Number(timestamp);
  if (age > SIGNATURE_WINDOW_SECONDS) {
    return "signature_too_old";
  }
  if (age < -SIGNATURE_WINDOW_SECONDS) {
    return "signature_too_new";
  }
  return { timestamp, signature: Buffer.from(signature, "hex") };
}

/**
 * Whether one of the secrets signed this body. Every secret is tried and every comparison takes the same time, so that
 * an answer's duration tells nothing.
 *
 * @param body the bytes as they came; anything that was parsed and written again has another signature.
 */
export function isSignedBy(secrets: readonly string[], header: SignatureHeader, body: Buffer): boolean {
  let signed = false;
  for (const secret of secrets) {
    const expected = createHmac("sha256", secret).update(`${header.timestamp}.`).update(body).digest();
    signed = timingSafeEqual(expected, header.signature) || signed;
  }
  return signed;
}
