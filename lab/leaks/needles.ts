/** A secret and every form in which it could stand somewhere in clear. */
export interface Needle {
  /** What it is called in a finding; never the value. */
  readonly name: string;
  readonly forms: readonly Buffer[];
}

/** The literal, the three alignments of its base64 (standard and URL alphabet), and its URL-encoded form. */
export function needle(name: string, secret: string): Needle {
  const forms = new Set([secret, encodeURIComponent(secret), ...base64Forms(secret)]);
  return { name, forms: [...forms].map((form) => Buffer.from(form)) };
}

/**
 * Base64 of a text depends on how many bytes stand before it, modulo three. Each form is cut to the characters that
 * only the secret decides.
 */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    // The first characters mix with what stands before, the last one with what stands behind.
    const start = shift === 0 ? 0 : shift + 1;
    const whole = ((bytes.length + shift) * 8) % 6 === 0;
    const inner = encoded.slice(start, whole ? undefined : -1);
    return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  });
}

/** Which of the needles stand in a text or file content. */
export function findNeedles(content: Buffer, needles: readonly Needle[]): string[] {
  return needles.filter(({ forms }) => forms.some((form) => content.includes(form))).map(({ name }) => name);
}
