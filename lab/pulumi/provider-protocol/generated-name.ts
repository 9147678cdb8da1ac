import { createHash, randomBytes } from "node:crypto";

/** Hex digits for a generated name: from the engine's seed where it gives one, so that a plan and its update agree. */
export function hexDigits(seed: Uint8Array, count: number): string {
  const source = seed.length > 0 ? createHash("sha256").update(seed).digest() : randomBytes(32);
  return source.toString("hex").slice(0, count);
}
